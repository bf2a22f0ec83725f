"""Programs that run in Ray's interpreter, which need not have daybreak: standard library and Ray only."""
