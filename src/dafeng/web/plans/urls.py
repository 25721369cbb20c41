"""Routes."""

from django.urls import path

from dafeng.web.plans import reading_views, task_views, views

app_name = "plans"
urlpatterns = [
    path("", views.list_page, name="list"),
    path("new/", reading_views.hand_in, name="hand-in"),
    path("readings/<int:pk>/", reading_views.reading_page, name="reading"),
    path("readings/<int:pk>/decide/", reading_views.decide, name="decide"),
    path("readings/<int:pk>/bulk/", reading_views.decide_many, name="decide-many"),
    path("readings/<int:pk>/publish/", reading_views.publish, name="publish"),
    path("readings/<int:pk>/again/", reading_views.read_again, name="read-again"),
    path("readings/<int:pk>/withdraw/", reading_views.withdraw, name="withdraw"),
    path("readings/<int:pk>/original/", reading_views.reading_original, name="reading-original"),
    path("plan/<slug:plan>/", views.plan_page, name="plan"),
    path("plan/<slug:plan>/original/", views.original, name="original"),
    path("plan/<slug:plan>/targets/<slug:target>/", views.target_page, name="target"),
    path("plan/<slug:plan>/versions/", views.versions_page, name="versions"),
    path("plan/<slug:plan>/parents/", views.parents_page, name="parents"),
    path("plan/<slug:plan>/bodies/", views.bodies_page, name="bodies"),
    path("plan/<slug:plan>/bodies/file/", views.bodies_export, name="bodies-export"),
    path("tasks/", task_views.tasks_page, name="tasks"),
    path("tasks/reminders/", task_views.reminders_page, name="reminders"),
    path("tasks/<int:pk>/", task_views.task_page, name="task"),
    path("tasks/<int:pk>/report/", task_views.report, name="task-report"),
    path("tasks/<int:pk>/confirm/", task_views.confirm, name="task-confirm"),
    path("tasks/<int:pk>/due/", task_views.set_due, name="task-due"),
    path("tasks/<int:pk>/evidence/", task_views.add_evidence, name="evidence-add"),
    path("tasks/<int:pk>/supervise/", task_views.raise_order, name="order-raise"),
    path("evidence/<int:pk>/", task_views.evidence, name="evidence"),
    path("evidence/<int:pk>/withdraw/", task_views.withdraw_evidence, name="evidence-withdraw"),
    path("orders/<int:pk>/answer/", task_views.answer_order, name="order-answer"),
    path("orders/<int:pk>/settle/", task_views.settle_order, name="order-settle"),
]
