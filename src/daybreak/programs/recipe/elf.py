"""Takes symbols and debug sections out of 64-bit ELF files, as `strip --strip-unneeded` does, without binutils.

What is loaded stays where it is, byte for byte: the file is cut behind its last loaded section, and a shorter section
table is written there.
"""

import struct

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SEGMENT = struct.Struct("<IIQQQQQQ")
MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian
NOBITS, STRTAB, ALLOC = 8, 3, 2
EXECUTABLE, SHARED = 2, 3


def stripped(data: bytes) -> "bytes | None":
    """The file without what is not loaded; None where it is of another kind, or nothing would be gained."""
    if data[:6] != MAGIC or len(data) < HEADER.size:
        return None
    head = list(HEADER.unpack_from(data))
    kind, segments_at, sections_at = head[1], head[5], head[6]
    segment_size, segment_count, section_size, count, names_index = head[9:14]
    if kind not in (EXECUTABLE, SHARED) or not sections_at or section_size != SECTION.size or not count:
        return None
    sections = [list(SECTION.unpack_from(data, sections_at + i * SECTION.size)) for i in range(count)]
    segments = [SEGMENT.unpack_from(data, segments_at + i * segment_size) for i in range(segment_count)]
    if len(data) > max(sections_at + count * SECTION.size, *(_end(section) for section in sections)) + 16:
        return None  # something is appended, which a program may look for
    last = max(i for i, section in enumerate(sections) if i == 0 or section[2] & ALLOC)
    kept = sections[: last + 1]
    end = max(
        HEADER.size,
        segments_at + segment_count * segment_size,
        *(segment[2] + segment[5] for segment in segments),
        *(_end(section) for section in kept),
    )
    names = _named(data, kept, sections[names_index][4])
    names_at = end
    table_at = (names_at + len(names) + 7) // 8 * 8
    kept.append([names.rindex(b".shstrtab"), STRTAB, 0, 0, names_at, len(names), 0, 0, 1, 0])
    head[6], head[12], head[13] = table_at, len(kept), len(kept) - 1
    body = HEADER.pack(*head) + data[HEADER.size : end] + names
    body += b"\0" * (table_at - len(body)) + b"".join(SECTION.pack(*section) for section in kept)
    return body if len(body) < len(data) else None


def _end(section: "list[int]") -> int:
    """Where a section ends in the file."""
    return 0 if section[1] == NOBITS else section[4] + section[5]


def _named(data: bytes, kept: "list[list[int]]", names_at: int) -> bytes:
    """A table of the kept sections' names; each section is told where its own is. Links to dropped ones are cut."""
    table = b"\0"
    for section in kept:
        begin = names_at + section[0]
        name = data[begin : data.index(b"\0", begin)]
        section[0] = len(table) if name else 0
        table += name + b"\0" if name else b""
        if section[6] >= len(kept):
            section[6] = 0
    return table + b".shstrtab\0"
