"""Programs that run inside the containers; nothing imports them."""
