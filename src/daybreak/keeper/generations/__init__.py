"""A generation of the app tier beside another one: tried, started, warmed up, compared, handed over to, kept."""
