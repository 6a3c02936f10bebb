"""The arrow run many times, judged as one."""
