"""Warm start: Ray's Python processes are forked from a template that has their imports done.

These files are programs of Ray's interpreter, which may be older than ours: they use the standard library alone, and
the rest of daybreak never imports them. `services.warm` says how they are run, `keeper.warmth` looks after them.
"""
