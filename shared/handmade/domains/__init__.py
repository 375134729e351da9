"""The rules of the generated corpora, one module a domain, in the notation of `handmade.grammar`."""
