"""English: Django's own formats, and the clock of twelve hours that its readers write."""

from django.conf.locale.en.formats import TIME_INPUT_FORMATS as DJANGO

TIME_INPUT_FORMATS = [*DJANGO, "%I:%M %p", "%I:%M%p", "%I %p", "%I%p", "%H.%M"]
