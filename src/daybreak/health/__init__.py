"""Is it ready, and is it well?

`checks` makes one attempt of any check, `serve_routes` that of the Serve routes; `wait` is the only wait loop;
`applications` and `serve_verdict` say what Serve tells of its applications and what that means.
"""
