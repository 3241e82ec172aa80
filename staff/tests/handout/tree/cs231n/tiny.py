"""Every form that a prompt and an answer may have."""

# A comment about TODOs, markers and the END of things; no marker is meant by it.


def twice(x):
    """Double a number."""
    # TODO(Q1): Double it.
    # BEGIN SOLUTION
    result = 2 * x  # not x + x
    # END SOLUTION
    return result


class Halver:
    """Something with methods."""

    text = "# BEGIN SOLUTION"[:7]  # in a string it is no marker

    def halve(self, x):
        """Halve a number, and say so."""

        # TODO(Q2): This prompt has a first line that is as long as a line may ever be.
        # Hint: a hint begins a paragraph of its own.
        #   - an item that is long enough to be filled anew when a box is drawn round,
        #     with a second line that hangs
        #   - a short one
        # BEGIN SOLUTION
        def half(value):
            # A comment of the answer.
            return value / 2

        print("half")

        result = half(x)
        # END SOLUTION
        return result

    async def later(self, x):
        """Two answers in one function."""
        # TODO(Q1): First.
        # BEGIN SOLUTION
        y = x + 1
        # END SOLUTION
        if y:
            # TODO(extra): Second.
            # BEGIN SOLUTION
            y = y + 1
            # END SOLUTION
        return y
