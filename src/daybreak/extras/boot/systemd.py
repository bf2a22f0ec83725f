"""Putting a unit where systemd finds it, and telling systemd."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
from pathlib import Path

from daybreak.errors import DaybreakError, PreflightError
from daybreak.extras.boot.unit import Unit, unit_name
from daybreak.files import replacing

# There where systemd is the first process.
BOOTED = Path("/run/systemd/system")
SYSTEM_UNITS = Path("/etc/systemd/system")
LINGERING = Path("/var/lib/systemd/linger")
TIMEOUT_S = 60.0


def is_system() -> bool:
    """Root's clusters start with the machine, all others with their account's manager."""
    return os.geteuid() == 0


def place(cluster: str) -> Path:
    """Where its unit is."""
    if is_system():
        return SYSTEM_UNITS / unit_name(cluster)
    given = os.environ.get("XDG_CONFIG_HOME", "")
    config = Path(given) if os.path.isabs(given) else Path.home() / ".config"
    return config / "systemd" / "user" / unit_name(cluster)


def install(unit: Unit, *, now: bool) -> Path:
    """Write it and let it start with the machine; with `now` it is started as well. Returns its file.

    Raises PreflightError where there is no systemd, DaybreakError where that refuses.
    """
    _require_systemd(unit)
    file = place(unit.cluster)
    _write(file, unit.text())
    _systemctl("daemon-reload")
    _systemctl("enable", *(["--now", "--no-block"] if now else []), unit.name)
    return file


def uninstall(cluster: str) -> Path | None:
    """Remove it; what runs goes on. Returns the file that there was."""
    file = place(cluster)
    if not file.exists():
        return None
    if BOOTED.is_dir():
        _systemctl("disable", unit_name(cluster))
    file.unlink(missing_ok=True)
    if BOOTED.is_dir():
        _systemctl("daemon-reload")
    return file


def lingers() -> bool:
    """Does this account's manager run while nobody is logged in?"""
    return is_system() or (LINGERING / pwd.getpwuid(os.geteuid()).pw_name).exists()


def _require_systemd(unit: Unit) -> None:
    if BOOTED.is_dir() and shutil.which("systemctl"):
        return
    folder, program = shlex.quote(unit.folder), shlex.join(unit.start)
    once = shlex.join([word for word in unit.start if word != "--foreground"])
    raise PreflightError(
        ["systemd does not run here, and nothing else is known that starts a cluster with the machine"],
        hint=f"with cron, by `crontab -e`: @reboot cd {folder} && {once}; a supervisor of your own runs, and ends with "
        f"SIGTERM: cd {folder} && exec {program}",
    )


def _write(file: Path, text: str) -> None:
    """It may hold paths, and no secret: everybody may read it, as any unit."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file, 0o644) as opened:
            opened.write(text.encode())
    except OSError as error:
        raise PreflightError([f"{file} cannot be written: {error.strerror or error}"]) from error


def _systemctl(*words: str) -> None:
    """Raises DaybreakError with what it has said."""
    command = ["systemctl", *([] if is_system() else ["--user"]), *words]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DaybreakError(f"`{shlex.join(command)}` failed: {error}") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        # A shell of `su` or `sudo` has no manager.
        hint = None if is_system() else "log in as this account (ssh, `machinectl shell`), not by su or sudo"
        raise DaybreakError(f"`{shlex.join(command)}` failed: {said}", hint=hint)
