"""smoke_more.py - the other half of smoke.py's rows"""
from smoke import Tap, figures


def other_figures(t):
    figures(t, ('4', '6', '7', '9', '10'))


Tap().run(other_figures)
