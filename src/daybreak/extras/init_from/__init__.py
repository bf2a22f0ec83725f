"""From a Docker Compose project to a spec that does the same: `daybreak init --from compose.yaml`.

`compose` reads the project, `kinds` says what each service is, `nodes`, `databases`, `applications` and `own` make the
sections of the spec of it, `project` puts them together, `writing` makes the text. Only `bring` touches files.
`kuberay` does the same for a RayService, RayCluster or RayJob.
"""
