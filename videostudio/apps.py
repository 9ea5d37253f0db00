from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    default_site = "videostudio.admin_site.StaffAdminSite"
