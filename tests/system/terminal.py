"""terminal.py - a program on a terminal of 80x24: what it shows, what it asks, and what is bold"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time


def talk(args, *answers, env=None):
    """Runs on a terminal and answers each question (': ' without newline) in turn; (status, what was on the screen)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.pop('NO_COLOR', None)
        os.environ.update({'TERM': 'xterm', **(env or {})})
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        os.execv(args[0], args)
    seen, answered, left, end = b'', 0, [a for a in answers if a is not None], time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            chunk = os.read(fd, 4096)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
        if left and seen[answered:].endswith(b': '):
            os.write(fd, left.pop(0))
            answered = len(seen)
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode().replace('\r\n', '\n')


def bold(text):
    return [re.sub(r'\s+', ' ', part).strip() for part in re.findall(r'\x1b\[1m(.*?)\x1b\[0?m', text, re.S)]
