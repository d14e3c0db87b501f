"""All that happened and was said between a customer, their machines and us, as one ordered dialogue.

`told` says what one record means, `fold` puts the records of a customer in their one order, `speech` says it in German and English. All
pure. `source` finds the records in the desk's tables, `anew` in the log, and `page` and `api` show them.
"""
