"""What watches the cluster: Prometheus and Grafana, alert rules and dashboards. Pure."""
