"""Several finished models answering as one."""
