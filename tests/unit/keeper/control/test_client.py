"""What a command reads of its keeper."""

from __future__ import annotations

import socket

from daybreak.keeper.control.client import Connection


def test_after_an_interrupt_the_rest_of_a_line_that_it_has_torn_is_left_out() -> None:
    ours, keepers = socket.socketpair()
    with ours, keepers:
        connection = Connection(ours, {"op": "apply"})
        keepers.sendall(b'{"heard": true}\n')
        assert connection.heard()
        connection.cancel()
        keepers.sendall(b'"note": "torn"}\n{"note": "whole"}\n{"result": {}}\n')
        assert list(connection) == [{"note": "whole"}, {"result": {}}]
        connection.close()


def test_who_is_interrupted_between_two_lines_reads_on() -> None:
    ours, keepers = socket.socketpair()
    with ours, keepers:
        connection = Connection(ours, {"op": "apply"})
        keepers.sendall(b'{"heard": true}\n{"note": "first"}\n{"note": "second"}\n{"result": {}}\n')
        assert connection.heard()
        for message in connection:
            assert message == {"note": "first"}
            break
        assert list(connection) == [{"note": "second"}, {"result": {}}]
        connection.close()
