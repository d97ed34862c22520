"""The agent: measures on an endpoint, keeps results until the server has them."""
