"""adapters/files"""
