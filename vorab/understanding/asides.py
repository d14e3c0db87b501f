"""What people put around what they want, which means nothing for it: the model learns to hear past it."""

from __future__ import annotations

from typing import Final

OPENINGS: Final = {
    "de": (
        "Hallo,",
        "Guten Tag,",
        "Moin,",
        "Hi,",
        "Sehr geehrte Damen und Herren,",
        "Servus,",
        "Grüezi,",
        "Liebes Team,",
        "Hallo zusammen,",
    ),
    "en": ("Hi,", "Hello,", "Dear team,", "Hi there,", "Good morning,", "Dear sir or madam,", "Hey,", "Hi folks,"),
}
CLOSINGS: Final = {
    "de": ("Danke", "Vielen Dank im Voraus", "LG Petra", "Gruß Tom", "danke!", "Grüße, M. Kaya", "Besten Dank", "mfg", "VG Jens", "Merci"),
    "en": ("Thanks", "Thank you", "Cheers", "Regards, Tom", "thanks!", "Many thanks", "Best, Jo", "Ta", "Kind regards", "Thank you sir"),
}

ASIDES: Final = {
    "de": (
        "Ich bin gerade unterwegs", "Es geht um die Pumpe im Keller", "Hier ist Frau Sommer aus Halle 2",
        "Wir sind eine kleine Werkstatt", "Habe Ihre Nachricht bekommen", "Es geht um Gerät 12", "Ich schreibe vom Handy",
        "Das ist die Anlage im zweiten Stock", "Der Drucker steht bei uns im Büro", "Die Wärmepumpe steht im Garten",
        "Bin noch auf der Arbeit", "Wir haben heute viel zu tun", "Ich habe die SMS eben gelesen", "Nummer 4 meine ich",
        "Es regnet hier", "Ich hoffe es geht Ihnen gut", "Bezug: Ihre Nachricht von heute",
        "Ich war gerade beim Bäcker und habe es erst jetzt gesehen", "Wir sind seit 1998 bei Ihnen",
        "Meine Brille liegt irgendwo, verzeihen Sie die Fehler", "Das Gerät steht in der Filiale am Markt",
        "Unsere Werkstatt hat ab sieben auf", "Sie erinnern sich vielleicht, wir sind die mit dem roten Tor",
        "Bei uns ist heute Inventur", "Es ist die Maschine mit der Nummer 7731", "Ich habe gerade Ihre Zeilen gelesen",
        "bin mit dem Handy on", "Mein Enkel hilft mir beim Tippen", "Bei uns liegt Schnee",
        "Ich schreibe im Namen der Hausgemeinschaft", "Habs grad erst gelesen", "So, jetzt habe ich kurz Zeit",
        "Die Bäckerei Holm lässt grüßen", "Mei, ist das ein Tag", "Wir haben drei davon, das ist die hintere",
        "Mein Chef hat mir das weitergeleitet", "Ich vertrete Frau Bach, die ist im Urlaub", "Es geht um die Anlage in der Turnhalle",
        "Gestern war noch alles normal", "Das ist die Truhe im Lager", "Also es ist so", "Kurz und knapp",
        "Sorry für die späte Antwort", "Hoffe, es geht allen gut", "Bezüglich Ihrer Mitteilung von heute früh",
        "Wie Sie wissen, sind wir ein kleines Hotel", "Der Hund bellt schon wieder, egal", "Ich hoffe das kommt an",
        "Danke für Ihre Nachricht", "danke für die Info", "Danke, dass Sie sich melden", "Auf Ihre Frage",
        "Mein Mann ist gerade nicht da", "Ich kenne mich damit nicht aus", "Kundennummer 44871",
    ),
    "en": (
        "I am out at the moment", "It's about the pump in the cellar", "This is Ms Summer in hall 2", "We are a small workshop",
        "I got your message", "It's about unit 12", "Writing from my phone", "It's the one on the second floor",
        "The printer is in our office", "The heat pump is in the garden", "I'm still at work", "We're busy today",
        "I've just read the text", "Number 4 I mean", "It's raining here", "Hope you are well", "Re your message of today",
        "I was at the shops and only saw this now", "We've been with you since 1998", "My glasses are somewhere, forgive the mistakes",
        "The unit's in the branch by the market", "Our workshop opens at seven", "You may remember us, the ones with the red gate",
        "We're stocktaking today", "It's the machine with number 7731", "I have just read your lines", "on my phone here",
        "My grandson is helping me type", "There's snow on the ground", "I write on behalf of the residents", "only seeing this now",
        "Right, I've a minute now", "Greetings from Holm's bakery", "What a day", "We have three of them, it's the back one",
        "My boss forwarded me this", "I'm standing in for Ms Bach who is on leave", "It concerns the one in the sports hall",
        "Yesterday all was normal", "That's the freezer in the store", "So here's the thing", "Short and sweet",
        "Sorry for the late reply", "Hope everyone's keeping well", "With regard to your message of this morning",
        "As you know, we are a small hotel", "The dog's barking again, never mind", "I hope this reaches you",
        "Thanks for your message", "thanks for the info", "Thank you for getting in touch", "In answer to your question",
        "Greetings of the day sir", "My husband is not here", "I don't know much about it", "Customer number 44871",
    ),
}  # fmt: skip
"""What people say besides, which means nothing for the intent."""
