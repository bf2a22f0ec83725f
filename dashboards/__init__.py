"""Grafana's dashboards: what they show, and the JSON that is made of it for `src/daybreak/services/dashboards`."""
