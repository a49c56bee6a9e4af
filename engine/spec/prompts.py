"""placeholder contract"""
