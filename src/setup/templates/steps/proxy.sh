# Console: RDS > Proxies > {{ s.place.label() }} > Modify > Authentication > IAM authentication: Required.
# With end-to-end IAM, the proxy logs in to the database as the caller does, and the database needs IAM database
# authentication too. Otherwise it logs in with the password of this user in Secrets Manager.
