"""An open loop of requests: each begins when it is due, whatever became of those before it.

A closed loop asks less while nothing answers, and so hides what users suffer. Here latency counts from the moment at
which a request was due, and every request is told. The loop is a process of its own (`python -m bench.openloop`), of
the standard library alone, so that nothing in whoever measures can hold it up.
"""
