"""HAProxy in front of Serve, where Ray knows how and its binary is there: eight times the requests of Serve's proxy.

Ray starts it, writes its configuration and reloads it. daybreak gives each cluster its own folder and ports, and puts a
program between Ray and the binary that keeps HAProxy's own pages on the loopback address: Ray's template has them on
every interface, without a password.
"""

from __future__ import annotations

from dataclasses import replace

from daybreak.services.container_site import ROOM, address_of
from daybreak.services.ray import warm
from daybreak.services.ray.serve_config import in_own_network, serving
from daybreak.services.ray.serve_routes import routes
from daybreak.services.service import ConfigFile
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec

OLDEST = (2, 55)
# HAProxy takes 97 characters; Ray puts a folder with the node's id (56) before the socket's name.
LONGEST_FOLDER = 97 - len("/") - 56 - len("/a.sock")
# A replica that is to end goes on answering for this long at least, until HAProxy has been told and what has connected
# by then has been accepted, also where the processors are scarce: what has not is answered with 500. Ray's 30 s are for
# load balancers elsewhere, and a new replica waits that long for the CPU of the old one.
DRAIN_S = "5"
# So long after that HAProxy usually has been told.
TOLD_S = 2.0
# Serve looks after its doors so often, HAProxy or its own proxy, and starts one anew after three looks in vain. Its own
# 10 s make half a minute.
LOOKS = {"RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1"}
# An HAProxy that is replaced knows the replicas of before. With this option it keeps the gateway's idle connections
# until each was used once more: for a request that may find none of those replicas. Without it they are closed at once.
LINGERING = "option idle-close-on-response"
# What was being answered when it was replaced keeps its connection: what comes next there is left to the gateway, which
# sends it again on a new one. One that it has just accepted is that new one: it is answered.
LEFT = "http-request reject if { stopping } !{ http_first_req } { method GET HEAD OPTIONS }"
# What a replica was answering dies with it, and the gateway would see no more of that than a status of 500. So what may
# be sent twice goes to another replica from here. Ray itself sends again only what surely was not begun.
RETRIES, RETRIES_MORE = "retry-on conn-failure", "retry-on conn-failure empty-response"
ONCE = "http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE }"
# One that was started anew knows no application until Ray has told it of them and has it started once more, with `-sf`:
# meanwhile it would call itself well, and answer whatever has waited with 404. So until then it does not listen. Ray
# may tell it of something else first, such as its own proxy; where no application is to have a route, it has nothing
# else to tell. One that has listened goes on with that: its applications are gone then.
DOORS = r"(?m)^(frontend (?:http|grpc)_frontend\n(?:\s*#.*\n)*)\s*bind .*$"
# What sends requests to an application. Ray writes the word in remarks, too, and one for what Serve itself answers.
KNOWS = r"(?m)^\s*use_backend (?!grpc_fallback_backend\b)"
# Who has started it may die without ending it, with the replicas and all that could tell it of other ones. From then on
# it accepts nothing more: what comes waits in the gateway. 1 is PR_SET_PDEATHSIG.
ORPHANED = "import ctypes, signal; ctypes.CDLL(None).prctl(1, signal.SIGUSR1); os.getppid() > 1 or sys.exit(1)"
DEAF = "# It listens when it knows an application."
PINNED = ("haproxy_stats", "haproxy_metrics")
# Serve keeps a proxy of its own behind HAProxy. Its port is the same for all clusters, and shared: requests of one
# cluster would be answered by another.
PORTS = (*PINNED, "serve_fallback", "serve_fallback_grpc")
# Behind HAProxy each replica has a port for HTTP and one for gRPC, which Serve chooses in a range. Ray's own range is
# that of all clusters: a port that one gives back another's HAProxy may still know. In a cluster it rests for minutes.
REPLICAS, BLOCK, HTTP_SHARE = "replicas", 200, 160
PROGRAM = """\
#!{python} -IS
import os, re, sys
arguments = sys.argv[1:]
for place, word in enumerate(arguments[:-1]):
    if word == "-f":
        with open(arguments[place + 1]) as file:
            text = file.read()
        pinned = arguments[place + 1] + ".pinned"
        # Whatever address a Ray writes there: nothing protects these pages but that nobody else reaches them.
        text = re.sub(r"(?m)^(\\s*bind\\s+)\\S*?:(?=(?:{ports})\\b)", r"\\g<1>{address}:", text)
        for line in re.findall(r"(?m)^\\s*bind\\s.*:(?:{ports})\\b.*$", text):
            if "," in line.split()[1] or not line.split()[1].startswith("{address}:"):
                sys.exit("not started: its pages would be open to others: " + line.strip())
        if {behind_gateway}:
            {orphaned}
            listened = False
            if "-sf" in arguments:
                with open(pinned) as file:
                    listened = not {routed} or "{deaf}" not in file.read()
            if not listened and not re.search({knows!r}, text):
                text = re.sub({doors!r}, r"\\g<1>    {deaf}", text)
            text = re.sub(r"(?m)^\\s*{lingering}$", "", text)
            text = re.sub(r"(?m)^(\\s*){retries}$", r"\\g<1>{retries_more}", text)
            text = re.sub(r"(?m)^frontend (http|grpc)_frontend$", r"\\g<0>\\n    {once}", text)
            text = re.sub(r"(?m)^frontend http_frontend$", r"\\g<0>\\n    {left}", text)
        with open(pinned, "w") as file:
            file.write(text)
        arguments[place + 1] = pinned
os.execv({binary!r}, [{binary!r}, *arguments])
"""


def wanted(spec: Spec, site: Site) -> bool:
    """Is HAProxy to be the door?"""
    return _possible(spec, site) and not hindrance(spec, site)


def _possible(spec: Spec, site: Site) -> bool:
    """Not where a path is too long for a script's first line, or for its control socket."""
    there = bool(site.ray.haproxy) and site.ray.release >= OLDEST
    short = warm.can_start_scripts(site) and len(folder(replace(site, slot=Slot.B))) <= LONGEST_FOLDER
    return asked_for(spec) and there and short


def asked_for(spec: Spec) -> bool:
    """Whether the spec would have it."""
    return spec.serve.wanted and spec.serve.haproxy is not False


def hindrance(spec: Spec, site: Site) -> str:
    """Why the applications cannot have HAProxy, or had better not; empty where nothing is in its way."""
    door = serving(spec, site)
    if not door.http:
        return "Serve has no HTTP door"
    if door.own_tls:
        return f"{spec.serve.config} asks for TLS, and HAProxy would speak plain HTTP to the replicas"
    harm = "" if spec.serve.haproxy else _harm(spec, site)
    return f"{harm} (serve.haproxy: true takes it nevertheless)" if harm else ""


def _harm(spec: Spec, site: Site) -> str:
    """What goes wrong with HAProxy, for all that it starts."""
    door = serving(spec, site)
    if spec.address:
        return "replicas on nodes of other machines have no door of their own for it"
    if door.grpc_port and not in_own_network(site):
        # Ray means to bind each replica's port for itself alone, but shares it: its option for that has another type.
        return f"{spec.serve.config} asks for gRPC, and behind HAProxy replicas of different nodes share a port here"
    if door.affinity:
        return f"{door.affinity} sends requests to certain replicas, which Serve's own proxy knows and HAProxy does not"
    return ""


def notes(spec: Spec, site: Site) -> tuple[str, ...]:
    """What is to be said before the start where HAProxy would be there, and is not, or does harm."""
    if not _possible(spec, site) or not serving(spec, site).http:
        return ()
    if why := hindrance(spec, site):
        return (f"HAProxy is left out: {why}",)
    harm = _harm(spec, site)
    return (f"HAProxy is there, since serve.haproxy is true, although {harm}",) if harm else ()


def folder(site: Site) -> str:
    """Its configuration and its control socket."""
    return f"{ROOM}/h" if site.node else site.place("h")


def pages_address(site: Site) -> str:
    """Where its own pages listen: on the machine's loopback address, or on the head's, which only containers and this
    machine reach."""
    return address_of(site, "head") if site.engine and site.engine.network else "127.0.0.1"


def statistics_url(site: Site) -> str:
    """HAProxy's own numbers as CSV."""
    return f"http://{pages_address(site)}:{site.ports['head.haproxy_stats']}/stats;csv"


def program(site: Site) -> str:
    """What Ray starts as HAProxy."""
    return f"{site.root}/warm/haproxy" + ("" if site.node else site.slot.suffix)


def env(spec: Spec, site: Site) -> dict[str, str]:
    """For every node and driver: Serve's actors read it wherever they run."""
    if not wanted(spec, site):
        return dict(LOOKS)  # also without applications: the head stays when it gets some
    place = folder(site)
    return {
        **LOOKS,
        **_replica_ports(site),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": DRAIN_S,
        "RAY_SERVE_HAPROXY_BINARY_PATH": program(site),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{place}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{place}/a.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{place}/m.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": place,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{place}/server-state",
        "RAY_SERVE_HAPROXY_STATS_PORT": str(site.ports["head.haproxy_stats"]),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(site.ports["head.haproxy_metrics"]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(site.ports["head.serve_fallback"]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(site.ports["head.serve_fallback_grpc"]),
    }


def _replica_ports(site: Site) -> dict[str, str]:
    """Where replicas listen; containers with addresses of their own have nobody to meet."""
    first = site.ports.get(f"head.{REPLICAS}")
    if first is None:
        return {}
    grpc = first + HTTP_SHARE
    ranges = {"HTTP": (first, grpc), "GRPC": (grpc, first + BLOCK)}
    return {
        f"RAY_SERVE_DIRECT_INGRESS_{end}_{protocol}_PORT": str(port)
        for protocol, ports in ranges.items()
        for end, port in zip(("MIN", "MAX"), ports, strict=True)
    }


def files(spec: Spec, site: Site) -> tuple[ConfigFile, ...]:
    """The program."""
    if not wanted(spec, site):
        return ()
    ports = "|".join(str(site.ports[f"head.{name}"]) for name in PINNED)
    own = {
        "ports": ports,
        "address": pages_address(site),
        "lingering": LINGERING,
        "left": LEFT,
        "retries": RETRIES,
        "retries_more": RETRIES_MORE,
        "once": ONCE,
        "doors": DOORS,
        "knows": KNOWS,
        "deaf": DEAF,
        "orphaned": ORPHANED,
        "behind_gateway": serving(spec, site).behind_gateway,
        "routed": bool(routes(spec, site)),
    }
    text = PROGRAM.format(python=site.ray.python, binary=site.ray.haproxy, **own)
    return (ConfigFile(program(site), text, mode=0o700),)
