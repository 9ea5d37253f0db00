from django.apps import AppConfig


class TokensLedgerConfig(AppConfig):
    name = "tokens_ledger"
    verbose_name = "Tokens"
