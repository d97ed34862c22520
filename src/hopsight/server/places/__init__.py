"""Where records were made: by files about addresses, and by what administrators say of networks."""
