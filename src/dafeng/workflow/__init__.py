"""The chain as ordered plain functions: what commands and pages call, each joining rooms that do not know one another.

`setting` (catalog and workspace), `facts` (figures in and out), `assessing` (where every target stands), `reporting` (papers,
frozen with their manifest), `demonstration` (all of it on a fictional city). Import the module that is needed: none is loaded
here, so that a command starts with no more than its own part of the house.
"""
