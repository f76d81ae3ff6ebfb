"""Problems: everything that can go wrong for a caller, as a closed table (RFC 9457).

A domain function raises ``Problem(code, detail)``; ``runtime/api`` alone turns it into HTTP. 400 = malformed or unknown name,
409 = conflict of state, 412 = ``If-Match`` failed, 422 = well formed but breaks a rule. Hidden things answer as absent ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from builder.kernel.text import Text, say
from formulas.errors import did_you_mean, nearest, nearest_key


class Code(NamedTuple):
    """One row of the table of problems."""

    status: int
    title: Text


CODES: Mapping[str, Code] = {
    "request.malformed": Code(400, say("请求格式有误", "Malformed request")),
    "request.unknown_name": Code(400, say("请求中有未知名称", "Unknown name in the request")),
    "request.header": Code(400, say("请求头有误", "Bad request header")),
    "request.key_reused": Code(422, say("幂等键已用于其他请求", "Idempotency-Key used for something else")),
    "request.media_type": Code(415, say("不支持的内容类型", "Unsupported media type")),
    "request.method": Code(405, say("不支持的方法", "Method not allowed")),
    "request.precondition_required": Code(428, say("缺少 If-Match", "If-Match is required")),
    "route.not_found": Code(404, say("没有这个地址", "No such address")),
    "auth.required": Code(401, say("需要登录", "Authentication required")),
    "auth.refused": Code(401, say("用户名或密码不正确", "Wrong user name or password")),
    "auth.code_required": Code(401, say("请输入验证码", "Enter the code of your second factor")),
    "auth.password_expired": Code(401, say("密码已过期,请更换", "The password has to be changed")),
    "auth.reset_off": Code(403, say("未开通邮件重置密码", "Passwords are not reset by mail here")),
    "auth.provider_off": Code(403, say("未开通第三方登录", "There is no login provider here")),
    "auth.provider_refused": Code(
        401, say("登录服务的回答无法采信,请重新登录", "The login was not believed; begin again")
    ),
    "auth.provider_unknown": Code(
        403, say("此登录账号没有对应的用户,请联系管理员", "Nobody here has this account; ask an admin")
    ),
    "auth.provider_unreachable": Code(503, say("登录服务无法访问", "The login provider cannot be reached")),
    "auth.throttled": Code(429, say("尝试次数过多", "Too many attempts")),
    "auth.link_invalid": Code(401, say("链接无效或已过期", "The link is not valid any more")),
    "access.denied": Code(403, say("没有权限", "Not allowed")),
    "access.origin": Code(403, say("请求来源不被允许", "Origin not allowed")),
    "identity.not_found": Code(404, say("没有这个用户或令牌", "No such user or token")),
    "identity.invalid": Code(422, say("用户资料有误", "Invalid user")),
    "identity.conflict": Code(409, say("用户资料冲突", "Conflict between users")),
    "app.not_found": Code(404, say("没有这个应用", "No such app")),
    "app.exists": Code(409, say("应用已存在", "The app exists already")),
    "app.confirmation": Code(422, say("销毁数据需要确认", "Destroying data needs confirmation")),
    "kept.not_found": Code(404, say("没有保留这样的数据", "Nothing like that is kept")),
    "definition.not_found": Code(404, say("没有这个定义", "No such definition")),
    "definition.exists": Code(409, say("定义已存在", "The definition exists already")),
    "definition.single": Code(409, say("这份定义不可缺少", "This definition cannot be missing")),
    "definition.invalid": Code(422, say("定义有误", "Invalid definition")),
    "definition.changed": Code(412, say("定义已被他人修改", "The definition was changed meanwhile")),
    "version.not_found": Code(404, say("没有这个版本", "No such version")),
    "publish.findings": Code(422, say("草稿还有错误", "The draft has errors")),
    "publish.scenarios": Code(422, say("场景测试未通过", "Scenarios are not as they say")),
    "publish.conflict": Code(409, say("已有人先发布", "Somebody else published first")),
    "publish.plan_changed": Code(409, say("计划已过期", "The plan is out of date")),
    "publish.blocked": Code(422, say("计划被阻止", "The plan is blocked")),
    "publish.lossy": Code(422, say("计划会丢失或隐藏数据", "The plan hides or loses data")),
    "publish.busy": Code(503, say("数据库繁忙", "The database is busy")),
    "package.invalid": Code(422, say("应用包有误", "Invalid app package")),
    "package.too_large": Code(413, say("应用包过大", "App package too large")),
    "connection.not_found": Code(404, say("没有这个连接", "No such connection")),
    "connection.exists": Code(409, say("连接已存在", "The connection exists already")),
    "connection.invalid": Code(422, say("连接有误", "Invalid connection")),
    "connection.failed": Code(502, say("对方没有接受", "The other side did not accept it")),
    "secret.unreadable": Code(503, say("密钥无法解开", "A secret cannot be opened")),
    "directory.unreadable": Code(502, say("通讯录读取失败", "The directory could not be read")),
    "directory.many_leavers": Code(409, say("将停用的人过多", "Too many people would be switched off")),
    "delivery.not_found": Code(404, say("没有这次投递", "No such delivery")),
    "delivery.not_dead": Code(409, say("这次投递没有失败", "This delivery has not failed")),
    "inbox.not_found": Code(404, say("没有这条消息", "No such message")),
    "job.not_found": Code(404, say("没有这个任务", "No such job")),
    "job.not_retried": Code(409, say("任务不能继续", "The job cannot go on")),
    "job.ended": Code(409, say("任务已结束", "The job has ended")),
    "import.unreadable": Code(422, say("文件无法读取", "The file cannot be read")),
    "import.too_large": Code(413, say("文件过大", "The file is too large")),
    "import.invalid": Code(422, say("文件内容有误", "The file's contents are wrong")),
    "export.too_large": Code(413, say("导出的行过多", "Too many rows to export")),
    "export.not_ready": Code(409, say("导出尚未完成", "The export is not finished")),
    "template.not_found": Code(404, say("没有这个模板", "No such template")),
    "entity.not_found": Code(404, say("没有这个实体", "No such entity")),
    "share.not_found": Code(404, say("链接无效或已失效", "The link does not work, or not any more")),
    "share.invalid": Code(422, say("分享设置有误", "Invalid share")),
    "share.password": Code(401, say("请输入访问密码", "Enter the password of the link")),
    "form.not_found": Code(404, say("没有这个表单", "No such form")),
    "form.captcha": Code(422, say("验证未通过", "The check was not passed")),
    "view.not_found": Code(404, say("没有这个视图", "No such view")),
    "view.invalid": Code(422, say("视图有误", "Invalid view")),
    "record.not_found": Code(404, say("没有这条记录", "No such record")),
    "record.invalid": Code(422, say("记录有误", "The record breaks a rule")),
    "record.changed": Code(412, say("记录已被他人修改", "The record was changed meanwhile")),
    "record.exists": Code(409, say("记录编号已存在", "A record with this id exists")),
    "record.referenced": Code(409, say("记录仍被引用", "The record is still referenced")),
    "trash.not_found": Code(404, say("回收站里没有这条记录", "Not in the trash")),
    "trash.conflict": Code(409, say("记录不能恢复", "The record cannot be restored")),
    "merge.not_found": Code(404, say("没有这次合并", "No such merge")),
    "merge.refused": Code(422, say("不能这样合并", "These records cannot be merged so")),
    "merge.conflict": Code(409, say("合并已不能撤销", "The merge cannot be undone any more")),
    "transition.not_found": Code(404, say("没有这个流转", "No such transition")),
    "transition.unavailable": Code(409, say("现在不能执行这个流转", "The transition does not lead on from here")),
    "transition.refused": Code(422, say("流转条件未满足", "Something is missing for this transition")),
    "stage.refused": Code(422, say("阶段要求未满足", "Something is missing for this stage")),
    "pipeline.not_found": Code(404, say("没有这个流程", "No such pipeline")),
    "approval.not_found": Code(404, say("没有这个审批", "No such approval")),
    "approval.refused": Code(422, say("不能这样审批", "The approval does not allow this")),
    "approval.conflict": Code(409, say("审批状态已变化", "The approval is not in that state")),
    "timer.not_found": Code(404, say("没有这个提醒", "No such timer")),
    "timer.refused": Code(409, say("提醒不能这样改", "The timer cannot be changed so")),
    "file.not_found": Code(404, say("没有这个文件", "No such file")),
    "file.too_large": Code(413, say("文件过大", "File too large")),
    "file.empty": Code(422, say("文件是空的", "Empty file")),
    "file.disguised": Code(422, say("文件名与内容不符", "The name does not fit the content")),
    "file.damaged": Code(422, say("文件已损坏", "Damaged file")),
    "file.image_too_large": Code(422, say("图片像素过多", "Too many pixels")),
    "file.no_thumbnail": Code(422, say("没有缩略图", "No thumbnail")),
    "file.range": Code(416, say("范围超出文件", "The range lies outside the file")),
    "query.invalid": Code(400, say("查询有误", "Invalid query")),
    "query.cursor": Code(400, say("游标无效", "Invalid cursor")),
    "limit.body": Code(413, say("请求内容过大", "Body too large")),
    "limit.url": Code(414, say("地址过长", "Address too long")),
    "limit.depth": Code(400, say("嵌套过深", "Nested too deep")),
    "limit.affected": Code(422, say("影响的记录过多", "More records than allowed are affected")),
    "limit.batch": Code(413, say("批量过大", "Batch too large")),
    "limit.causation": Code(422, say("连锁触发过多", "Too much follows from it")),
    "limit.streams": Code(429, say("收听的连接过多", "Too many streams")),
    "limit.rate": Code(429, say("请求过于频繁", "Too many requests")),
    "limit.time": Code(503, say("处理超时", "Took too long")),
    "hook.signature": Code(401, say("签名不符", "The signature is not right")),
    "hook.expired": Code(401, say("时间戳已失效", "The timestamp is out of its window")),
    "automation.not_found": Code(404, say("没有这个自动化", "No such automation")),
    "automation.failed": Code(422, say("自动化失败", "An automation failed")),
    "automation.disabled": Code(409, say("自动化已停用", "The automation is switched off")),
    "automation.condition": Code(409, say("记录不满足自动化的条件", "The record does not meet the condition")),
    "automation.run_not_found": Code(404, say("没有这次运行", "No such run")),
    "automation.run_state": Code(409, say("这次运行不能重试", "This run cannot be tried again")),
    "assignment.not_found": Code(404, say("没有这个分配规则", "No such assignment rule")),
    "assignment.text": Code(422, say("看不懂的分配文字", "The sentence is not understood")),
    "pool.taken": Code(409, say("已被他人抢先领取", "Somebody else was faster")),
    "pool.refused": Code(409, say("公海不允许", "The pool does not allow it")),
    "webhook.refused": Code(401, say("消息签名无效", "The message is not signed as it has to be")),
    "formula.invalid": Code(422, say("公式有误", "Invalid formula")),
    "settings.invalid": Code(422, say("设置有误", "Invalid settings")),
    "service.full": Code(507, say("存储空间已满", "The storage is full")),
    "service.unavailable": Code(503, say("服务暂不可用", "Service unavailable")),
    "service.internal": Code(500, say("内部错误", "Internal error")),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where (JSON pointer, RFC 6901), which rule, and how to mend it."""

    code: str
    pointer: str
    message: Text
    params: Mapping[str, Any] = field(default_factory=dict)


class Problem(Exception):
    """Something a caller did or met that they can be told about.

    Args:
        code: a key of ``CODES``.
        detail: what, where and how to mend it, about the caller's own input only.
        violations: all broken rules at once.
        retry_after_seconds: for 429 and 503.
        extra: further members of the problem document (JSON values).
    """

    def __init__(
        self,
        code: str,
        detail: Text | None = None,
        *,
        violations: Iterable[Violation] = (),
        retry_after_seconds: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.status, self.title = CODES[code]
        self.detail = detail or self.title
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.extra = dict(extra or {})
        super().__init__(f"{code}: {self.detail.en}")


def nearest_hint(name: str, known: Iterable[str]) -> Text:
    """Return the tail of a message that offers the known name a person most likely meant; empty if none is near."""
    return Text(*did_you_mean(nearest(name, known)))


def key_hint(name: str, known: Iterable[tuple[str, str]]) -> Text:
    """Return the tail of a message that offers the key that was meant, of (key, label): people write what they read."""
    return Text(*did_you_mean(nearest_key(name, known)))


def escape_pointer(part: str | int) -> str:
    """Escape one reference token of a JSON pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")
