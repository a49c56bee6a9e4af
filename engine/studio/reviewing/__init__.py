"""People's review in the browser: the queues, verdicts and words of `pada review`, on the same desks."""
