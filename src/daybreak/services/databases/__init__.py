"""The data tier: PostgreSQL, Redis, MySQL and Neo4j, and how programs find them. Pure."""
