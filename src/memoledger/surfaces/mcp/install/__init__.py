"""Install: the settings that make a host of agents start or call the server."""
