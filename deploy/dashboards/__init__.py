"""Grafana's dashboards, written as little as they need to be; `python -m deploy.dashboards` makes the JSON of them."""
