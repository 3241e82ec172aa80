# %% [markdown]
# # Tiny
#
# Look for `TODO(Q1)` in `cs231n/tiny.py`.

# %%
# %matplotlib inline
from cs231n.tiny import twice

# %% id="thrice"
x = 5
# TODO(Q1): Three times x.
# BEGIN SOLUTION
y = 3 * x
# END SOLUTION
print(y)

# %% [markdown] tags=["answer"] id="why"
# ## Why?
#
# **TODO(Q1):** Why is twice a number less than three times the number,
# for some of them?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# It is only so when the number is positive, as one can see by subtracting.
#
# For others it is not.
# <!-- END SOLUTION -->

# %%
twice(x)
