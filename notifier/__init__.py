"""notifier: says the right thing to people, once, on the right channel, at the right hour, or stays silent with a reason."""
