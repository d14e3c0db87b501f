"""The diary of calls and visits: who works when, what is free, what is booked. Pure; `streams.callbacks` writes it, the desk reads it."""
