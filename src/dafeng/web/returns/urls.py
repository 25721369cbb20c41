"""Routes."""

from django.urls import path

from dafeng.web.returns import manage_views, review_views, views

app_name = "returns"
urlpatterns = [
    path("", views.list_page, name="list"),
    path("upload/", views.bulk_upload, name="bulk-upload"),
    path("forms.zip", views.all_forms, name="all-forms"),
    path("<int:pk>/", views.return_page, name="return"),
    path("<int:pk>/save/", views.save, name="save"),
    path("<int:pk>/form.xlsx", views.form_file, name="form"),
    path("<int:pk>/upload/", views.upload, name="upload"),
    path("<int:pk>/submit/", views.submit, name="submit"),
    path("<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("<int:pk>/correct/", views.correct, name="correct"),
    path("<int:pk>/abandon/", views.abandon, name="abandon"),
    path("<int:pk>/evidence/", views.add_evidence, name="add-evidence"),
    path("<int:pk>/link/", manage_views.link, name="link"),
    path("evidence/<int:pk>/", views.evidence_file, name="evidence"),
    path("evidence/<int:pk>/remove/", views.remove_evidence, name="remove-evidence"),
    path("uploads/<int:pk>/", views.upload_page, name="upload-fates"),
    path("submissions/<int:pk>/", views.submission_page, name="submission"),
    path("submissions/<int:pk>/form.xlsx", views.submission_file, name="submission-form"),
    path("submissions/<int:pk>/evidence/<int:number>/", views.submission_evidence, name="submission-evidence"),
    path("review/", review_views.queue_page, name="queue"),
    path("review/<int:pk>/", review_views.review_page, name="review"),
    path("review/<int:pk>/approve/", review_views.approve, name="approve"),
    path("review/<int:pk>/return/", review_views.send_back, name="send-back"),
    path("rounds/", manage_views.rounds_page, name="rounds"),
    path("rounds/new/", manage_views.new_round, name="new-round"),
    path("rounds/<int:pk>/", manage_views.round_page, name="round"),
    path("rounds/<int:pk>/seal/", manage_views.seal, name="seal"),
    path("rounds/<int:pk>/unseal/", manage_views.unseal, name="unseal"),
    path("coverage/", manage_views.coverage_page, name="coverage"),
    path("chase/", manage_views.chase_page, name="chase"),
    path("chase.docx", manage_views.chase_paper, {"kind": "docx"}, name="chase-docx"),
    path("chase.xlsx", manage_views.chase_paper, {"kind": "xlsx"}, name="chase-xlsx"),
]
