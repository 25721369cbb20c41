"""Registers of every kind, project and building ledgers, obligations on a project, ratings."""
