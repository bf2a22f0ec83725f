"""Warm start: Ray's Python processes are forked from a template that has their imports done.

These files are programs of Ray's interpreter, which may be older than ours: they use the standard library alone.
`cluster.ray.warm` says how they are run, `keeper.template_control` looks after them, `registry` is what they tell all
others.
"""
