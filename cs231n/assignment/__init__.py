"""The assignment as data: its table, boxes, stamp and limits; standard library only."""
