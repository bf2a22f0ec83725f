"""Operations that are killed in the middle, and what becomes of the cluster: see bench.kills."""
