"""Fine-tuning: from rows of JSON to a model that ask and embed use, on one device or many.

transformers, TRL, PEFT and sentence-transformers do the training; what their users trip over is here: data of any usual
form, the template that ``ask`` uses, settings that fit the machine, runs that survive, and what was forgotten.
"""
