"""How signals did: rates with intervals, returns after costs, against chance, and what their confidence means."""
