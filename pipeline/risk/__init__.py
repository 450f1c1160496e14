"""Who is served which signals, and why not the others: profile, market conditions, filters, exposure."""
