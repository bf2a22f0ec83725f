"""The gateway's configuration of HAProxy. Pure.

Nothing in it changes from one restart to the next: what does is told over the runtime socket.
"""

from __future__ import annotations

from daybreak.hosts import reachable
from daybreak.names import SERVE
from daybreak.services.container_site import program
from daybreak.services.edge import files, line_format, repeating
from daybreak.services.ray.addresses import DASHBOARD_HEALTH, OWN_DASHBOARD, upstream_host
from daybreak.services.ray.serve_config import OWN_GRPC_PORT, OWN_PORT, in_slot, serving
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec

HOLD = "programs/gateway/hold.lua"
# One for two processors: a second thread would wait for those that answer, and costs more than it does.
MOST_THREADS = 4
# Serve's own servers take a request's head of 64 KiB.
BUFFER_BYTES = 65536
# A server that refuses a connection is asked again after a second each, as long as a request may wait.
RETRY_S = 1.0
# Each connection that is kept to Serve's HAProxy may be closed in the moment in which it is used, when that is
# replaced; after many requests have waited there are a lot of them. The next one is taken at once. Not more: an
# application behind Serve's own proxy whose answer is empty each time is asked as often.
KEPT_RETRIES = 60
# What is being answered may take as long as it does: it is the application's to end it.
ENDLESS = "24d"
# The backend of connections that were upgraded.
WEBSOCKETS = "websockets"
# Where a request waits that has lost its server before it was answered, and may be sent twice: in the gateway itself.
AGAIN = "again"
# The backend of requests that must not be sent twice.
ONCE = "once"
HTTP, GRPC = "http", "grpc"
# The backend of Ray's dashboard.
DASHBOARD = "dashboard"

TEXT = """\
global
    stats socket {socket} mode 600 level admin
    setenv GATEWAY_STATE {state}
    setenv GATEWAY_HOLD_S {hold_s:g}
    setenv GATEWAY_RETRY_S {retry_after}
    setenv GATEWAY_PAGE {page}
    setenv GATEWAY_BACKEND {once}
    setenv GATEWAY_DASHBOARD {dashboard}
    lua-load {hold}
    nbthread {threads}
    tune.bufsize {buffer}
    hard-stop-after 10s

# Lines wait in here until the keeper has read them, also while there is none. As datagrams the kernel would keep ten.
ring requests
    format raw
    maxlen {line_length}
    size 4194304
    timeout connect 1s
    timeout server 10s
    server keeper unix@{log_socket}

defaults
    mode http
    # Who only looks whether anybody listens asks for nothing.
    option dontlognull
    timeout connect 5s
    timeout http-request 60s
    timeout http-keep-alive 75s
    timeout client {endless}
    timeout server {endless}
    timeout tunnel {endless}
    timeout check 5s
    # A part of a stream is sent on when it comes.
    option http-no-delay
    option forwardfor
    retries {retries}
    # Only what surely was not begun, or may be begun twice, is tried again.
    retry-on conn-failure empty-response
{frontends}
backend {serve}
    option httpchk GET /-/healthz
    http-check expect status 200
    # What comes here may be sent again where a connection turns out to be closed.
    http-reuse always
    retries {kept_retries}
    # At once, if to the same server, and all in a moment: what has lost its own waits in here instead.
    option redispatch 1
{servers}
    server {again} unix@{again_socket} backup

frontend {again}
    bind unix@{again_socket} mode 600
{hold_rules}
    default_backend {once}

# A connection for each request: one that was kept may be closed in the moment in which it is used.
backend {once}
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS PUT DELETE }}
    option http-server-close
{tracking_servers}

# Apart, since a restart need not wait for what lasts until somebody leaves.
backend {websockets}
{tracking_servers}
{others}"""
FRONTEND = """
frontend {name}
    bind {bind}{tls}
    log ring@requests {long}format raw local0
    log-format "{line}"
    http-request set-var(txn.held_ms) int(0)
    http-request set-var(txn.path) path,bytes(0,{longest_path})
    http-request set-var(txn.app) path,map_beg({routes},-)
    http-request set-header X-Forwarded-Proto {scheme} unless {{ hdr(X-Forwarded-Proto) -m found }}
{keeping}\
{hold_rules}
{repeating}\
    use_backend {websockets} if {{ hdr(Upgrade) -i websocket }}
    use_backend {backend} if {{ method GET HEAD OPTIONS }} !{{ hdr(Content-Length) -m found }} \
!{{ hdr(Transfer-Encoding) -m found }}
    default_backend {otherwise}
"""
# The servers of ONCE are those of SERVE, without that which is always there.
HOLD_RULES = """\
    http-request lua.hold unless {{ str(state),map({state}) -m str open }} {{ nbsrv({once}) gt 0 }}
    http-request return status 503 hdr Retry-After {retry_after} content-type text/plain string "{late}" if \
{{ var(txn.late) -m bool }}
    http-request use-service lua.page if {{ var(txn.page) -m bool }}"""
CHECK = "check inter 1s fastinter 200ms downinter 200ms fall 3 rise 1 observe layer4 error-limit 1 on-error mark-down"
# Certificate, chain and key in one file; HTTP/2 where the client knows it.
TLS = " ssl crt {file} alpn h2,http/1.1"
GRPC_BACKEND = """
backend {grpc}
{servers}
"""
# It waits for the head alone, and nothing of it is counted. Both servers are disabled until steering has said in which
# slot the head is: a check might find that of another generation.
DASHBOARD_PART = """
frontend {dashboard}
    bind {bind}
    http-request lua.hold_dashboard unless {{ nbsrv({dashboard}) gt 0 }}
    http-request return status 503 hdr Retry-After {retry_after} content-type text/plain string "{late}" if \
{{ var(txn.late) -m bool }}
    default_backend {dashboard}

backend {dashboard}
    option httpchk GET {health}
    # Without one Ray 2.20 answers 500.
    http-check send hdr User-Agent haproxy
    http-check expect status 200
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS PUT DELETE }}
    option http-server-close
{servers}
"""
# One for each slot, of which steering lets one be asked.
SERVER = "    server {slot} {upstream}:{port} {options}"
TRACKS = "track {serve}/{slot}"
LATE = "no application could answer within {hold_s:g} s; try again later\\n"
DASHBOARD_LATE = "Ray's dashboard did not answer within {hold_s:g} s; try again later\\n"


def text(spec: Spec, site: Site, folder: str) -> str:
    """The file. Requires a Serve that is behind the gateway."""
    at = serving(spec, site)
    assert at.own_port
    hold_s = spec.gateway.hold
    frontends = [_frontend(spec, site, folder, HTTP, at.port, SERVE, ONCE, tls=at.tls)]
    others = [repeating.backends(site, ENDLESS)]
    if at.grpc_port and at.own_grpc_port:
        frontends.append(_frontend(spec, site, folder, GRPC, at.grpc_port, GRPC, GRPC))
        others.append(GRPC_BACKEND.format(grpc=GRPC, servers=_servers(site, OWN_GRPC_PORT, f"proto h2 {TRACKS}")))
    if spec.dashboard:
        others.append(_dashboard(spec, site))
    return TEXT.format(
        socket=files.runtime_socket(folder),
        state=files.state_map(folder),
        page=files.page_file(folder),
        hold=program(site, HOLD),
        hold_s=hold_s,
        retry_after=_retry_after(hold_s),
        serve=SERVE,
        websockets=WEBSOCKETS,
        once=ONCE,
        again=AGAIN,
        again_socket=f"{folder}/again.sock",
        hold_rules=_hold_rules(spec, folder),
        log_socket=files.log_socket(folder),
        line_length=line_format.longest(spec.gateway.rehearse),
        threads=max(1, min(MOST_THREADS, site.cpus // 2)),
        buffer=BUFFER_BYTES,
        endless=ENDLESS,
        retries=max(3, round(hold_s / RETRY_S)),
        kept_retries=KEPT_RETRIES,
        frontends="".join(frontends),
        servers=_servers(site, OWN_PORT, CHECK),
        tracking_servers=_servers(site, OWN_PORT, TRACKS),
        others="".join(others),
        dashboard=DASHBOARD,
    )


def _servers(site: Site, port: str, options: str) -> str:
    """Where Serve listens, one line for each slot that the app tier can be in."""
    return "\n".join(
        SERVER.format(
            slot=slot,
            upstream=upstream_host(site, slot),
            port=site.ports[at],
            options=options.format(serve=SERVE, slot=slot),
        )
        for slot in Slot
        if (at := in_slot(site, slot, port)) in site.ports
    )


def _frontend(
    spec: Spec, site: Site, folder: str, name: str, port: int, backend: str, otherwise: str, *, tls: bool = False
) -> str:
    """Where people connect. `otherwise` is the backend of what must not be sent twice."""
    kept = spec.gateway.rehearse if name == HTTP else None
    return FRONTEND.format(
        name=name,
        bind=f"{_bound(serving(spec, site).host)}:{port}",
        tls=TLS.format(file=files.tls_file(folder)) if tls else "",
        scheme="https" if tls else "http",
        serve=SERVE,
        websockets=WEBSOCKETS,
        backend=backend,
        otherwise=otherwise,
        line=line_format.line(kept),
        long=f"len {line_format.longest(kept)} " if kept and kept.enabled else "",
        keeping=line_format.rules(kept),
        longest_path=line_format.LONGEST_PATH,
        repeating=repeating.rules(site, files.shares_map(folder)) if name == HTTP else "",
        routes=files.routes_map(folder),
        hold_rules=_hold_rules(spec, folder),
    )


def _hold_rules(spec: Spec, folder: str) -> str:
    """Who waits, and what becomes of it."""
    hold_s = spec.gateway.hold
    words = {"retry_after": _retry_after(hold_s), "late": LATE.format(hold_s=hold_s)}
    return HOLD_RULES.format(state=files.state_map(folder), once=ONCE, **words)


def _dashboard(spec: Spec, site: Site) -> str:
    """Where people reach Ray's dashboard and its jobs API, and where those are."""
    hold_s = spec.gateway.hold
    return DASHBOARD_PART.format(
        dashboard=DASHBOARD,
        bind=f"{_bound(spec.listen)}:{spec.port('dashboard')}",
        health=DASHBOARD_HEALTH,
        retry_after=_retry_after(hold_s),
        late=DASHBOARD_LATE.format(hold_s=hold_s),
        servers=_servers(site, OWN_DASHBOARD, f"{CHECK} disabled"),
    )


def _retry_after(hold_s: float) -> int:
    """When who got 503 may come again (s)."""
    return max(1, round(hold_s / 6))


def reached_at(host: str) -> str:
    """Where this machine reaches what listens at `host`, as an address."""
    return reachable(host).strip("[]")


def _bound(host: str) -> str:
    """An address as HAProxy's `bind` takes it, with a port behind."""
    return f"[{host}]" if ":" in host else host
