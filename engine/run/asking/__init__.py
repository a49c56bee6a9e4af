"""What stages ask, put down on disk while it is asked: requests as they are built, and the replies to them.

`scratch` is the file, `asked` what one step has in it. Nothing of it is durable, nor need it be: replies are in the
store's spool before they come here, and requests are built again where a run goes on.
"""
