"""What stands behind the ports: embedding models and the services outside PostgreSQL."""
