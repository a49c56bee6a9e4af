"""Texts as teachers write them of patterns and strategies: long, general, and made of no row.

The benchmark of the gates checks that the guard of texts lets them pass; written for three kinds of data.
"""

MATHEMATICS = [
    "Write word problems in which a quantity changes twice before the question is asked: how much money does "
    "she have left after she has bought several things at different prices, how many of them are left at the "
    "end of the day, or how many more does he need. Vary the number of steps from two to four, and let the "
    "last step undo the first.",
    "The student forgets to convert units. Write problems that mix minutes and hours, cents and dollars, "
    "inches and feet, in which the rate is given for one unit and the answer is asked in another: how many "
    "hours does it take, how much does it cost per week, how far does she travel in total. State every number "
    "that is needed, and none that is not.",
    "Problems in which a share of a share is asked for: half of the remaining ones, a third of the rest, 20% "
    "of what is left. The number of people, animals or things at the beginning is given, and the question is "
    "how many of them there are at the end. In each second row, ask for the number at the beginning instead, "
    "given the number at the end.",
    "Write problems that compare two people: twice as many as, three times as much as, five fewer than, half "
    "the age of. The comparison must be stated backwards in half of the rows, so that a division is needed "
    "where the words suggest a multiplication. What is the total number of things they have together, or how "
    "many more does one of them have?",
    "The student adds all numbers it sees. Every problem must hold one number that plays no part: the age of "
    "a person, the day of the week, the price of something that is not bought. How much did he spend in "
    "total, how many did they sell in the first two weeks, what is the average number of pages she read per "
    "day: ask for one of these.",
    "Rates and working together: if it takes a number of workers so many days to do something, how long will "
    "it take a different number of workers? How many miles per hour, how many pages a day, how much does she "
    "earn in a week if she works five days a week and eight hours a day? The overtime rate is one and a half "
    "times the usual rate in some rows.",
    "Percentages in sequence: a price is raised and then discounted, with tax on top of the final price. The "
    "student takes both from the original price. Ask how much the item costs now, how much money she saved, "
    "or what the original price of the item was. Use round numbers in half of the rows, and decimals with two "
    "places in the other half of the rows.",
    "Problems about containers and groups: there are so many boxes, and each box has so many bags with so "
    "many things in each bag. Some boxes are only half full, and some of the things are broken. How many are "
    "there in all? How many boxes are needed if each box can hold at most so many? The remainder matters in "
    "each second row: round up or down.",
]
"""Strategies against failures at mathematical word problems."""
INTENTS = [
    "Write requests in which the customer asks about a card that has not come yet, without the word 'arrive': "
    "they wait, the letter box is empty, the bank said ten days. Do not ask for a replacement, and do not say "
    "that it is lost.",
    "The student takes questions about a credit score for questions about a credit limit. Write both: what my "
    "score is and how to make it better, and how much I can spend on my card and how to get more. Use short "
    "and long forms, and slang.",
    "Rows must say that something is wanted now, not whether it is possible: please do this for me, I need "
    "you to, go ahead and. The same wish as a question (can you, is there a way to, how do I) belongs to the "
    "other label of the pair.",
    "Negated and cancelled wishes. In half of the rows the speaker takes back what they asked for: never "
    "mind, do not do that, I changed my mind. Vary who speaks, the length from three to twenty words, and how "
    "polite the speaker is.",
    "Questions about the time in another place and about time zones sound alike: what time is it there, and "
    "what zone a place is in. Name cities and countries that are far apart, write half of the rows in lower "
    "case without punctuation.",
    "What matters is the object, not the verb: 'set up', 'change' and 'tell me about' occur with alarms, "
    "timers, reminders and meetings. Let each verb occur with each object, and say what time it is for in "
    "each second row.",
    "Rows about spending: how much money was spent on food, on travel or on clothes, in the last week, last "
    "month or this year. The other label asks for a list of single transactions. Say 'show me' and 'how much' "
    "in both of them.",
    "Talk to the assistant about itself: who made it, what its name is, how old it is, where it lives, "
    "whether it is a person. One label each; leave out the words by which they are told apart most easily.",
]
"""Strategies against failures at telling requests apart."""
NAMES = [
    "Card not there yet",
    "Score taken for limit",
    "A wish told as a question",
    "Taken back wishes",
    "Time and time zone",
    "Object against verb",
    "Sum against list",
    "Questions to the assistant",
    "Units are not converted",
    "A share of what is left",
    "Comparison told backwards",
    "Numbers that play no part",
    "Rates of several workers",
    "Change of a changed price",
]
"""Names of patterns."""
