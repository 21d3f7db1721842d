"""signer.py - Mdm-Signature made by openssl: what a device would send with its message"""
import base64
import subprocess


def mdm_signature(pem, body, md='sha256', *more):
    """The field's value for the file `body`; `pem` holds certificate and key, `more` are options of openssl cms."""
    done = subprocess.run(['openssl', 'cms', '-sign', '-binary', '-md', md, '-in', body, '-signer', pem, '-inkey', pem, *more,
                           '-outform', 'DER'], capture_output=True, check=True)
    return base64.b64encode(done.stdout).decode()
