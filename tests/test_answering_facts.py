"""Facts of an answer against its sources: equal meanings, changed facts, what is no fact, real passages, any text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DATA
from ragcli.answering.facts import Fact, facts, missing
from ragcli.splitting.sentences import sentence_spans


def gone(text: str, *sources: str) -> list[tuple[str, str]]:
    found = missing(text, sources)
    check(text, found)
    return [(fact.kind, fact.text) for fact in found]


def seen(text: str) -> list[tuple[str, str]]:
    found = facts(text)
    check(text, found)
    return [(fact.kind, fact.text) for fact in found]


def check(text: str, found: list[Fact]) -> None:
    for fact in found:
        assert text[fact.start : fact.end] == fact.text
        assert fact.text == fact.text.strip() != ""


# ------------------------------------------------------------------------------------------------- equal in meaning


@pytest.mark.parametrize(
    "forms",
    [
        [
            "24个月",
            "二十四个月",
            "廿四个月",
            "24 個月",
            "２４个月",
            "24 months",
            "twenty-four months",
            "两年",
            "2 years",
        ],
        ["30000", "3万", "三万", "3.0万", "30,000", "30 000", "３００００", "thirty thousand", "3 万"],
        [
            "150000000元",
            "1.5亿元",
            "一亿五千万元",
            "1亿5000万元",
            "150 million yuan",
            "¥150,000,000",
            "RMB 150 million",
        ],
        ["5%", "5 ％", "百分之五", "5 percent", "5.0%", "百分之5", "five per cent"],
        ["两年", "2年", "二年", "two years", "24 months", "2-year"],
        ["0.5", "零点五", "½", "1/2", "二分之一", "0.50"],
        ["2.5小时", "2½小时", "两个半小时", "150分钟", "150 minutes", "2.5 h"],
        ["第一名", "1st", "第1名", "the first"],
        [
            "2020年3月5日",
            "2020-03-05",
            "2020/3/5",
            "March 5, 2020",
            "5 Mar 2020",
            "二〇二〇年三月五日",
            "5th of March 2020",
        ],
        ["下午3点", "15:00", "3 pm", "3:00 p.m.", "下午三點", "15点整"],
        ["20世纪80年代", "1980年代", "the 1980s", "二十世纪八十年代"],
        ["2周", "14天", "two weeks", "十四天", "14 days"],
        ["5公里", "5 km", "5000米", "5千米", "five kilometres", "5,000 m"],
        ["$3.2 million", "3200000美元", "320万美元", "US$3,200,000", "3.2 million dollars"],
        ["70公斤", "70 kg", "七十千克", "70 kilograms"],
        ["30℃", "30摄氏度", "30 °C", "三十摄氏度"],
        ["一百二十元", "120元", "壹佰贰拾元", "¥120"],
        ["12月25日", "December 25", "25 Dec", "十二月二十五日", "12月25号"],
        ["第三章", "Chapter 3", "第3章", "the third chapter"],
        ["约3000多人", "三千余人", "3,000人"],
    ],
    ids=lambda forms: forms[0],
)
def test_forms_of_one_meaning_hold_each_other(forms):
    for one in forms:
        for other in forms:
            assert gone(f"答案是{one}。", f"资料：{other}，如此。") == [], (one, other)
            assert gone(f"It is {one} here.", f"They said {other}, as it is.") == [], (one, other)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("2020年3月", "2020年3月5日开业"),
        ("March 2020", "opened 2020-03-05"),
        ("2020年", "on 5 March 2020"),
        ("2013年10月6日", "2013年10月4至6日"),
        ("2020年5月", "2020年3月至5月"),
        ("2012年和2011年", "2011-2012年"),
        ("1945年", "1941-45年"),
        ("1998年", "98年"),
        ("2013年6月", "2013年开工，6月完工"),
        ("3.2亿元", "营收（万元）：32,000"),
        ("劳动法第三十六条", "第36条"),
        ("上午9点到11点", "9:00-11:00"),
        ("二十四小时", "24h"),
        ("两个人", "both of them, 双人"),
    ],
)
def test_a_part_of_a_source_or_what_follows_from_it_for_certain_is_held(text, source):
    assert gone(text, source) == []


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("24个月", "24天"),
        ("24 months", "24天"),
        ("3年", "3元"),
        ("5%", "5元"),
        ("$5", "5元"),
        ("5 km", "5 miles"),
        ("5公里", "5米"),
        ("2021年", "2020年"),
        ("2020年4月", "2020年3月5日"),
        ("3月6日", "3月5日"),
        ("下午4点", "15:00"),
        ("1980年代", "1970年代"),
        ("15个", "5个"),
        ("5人", "15人"),
        ("0.5", "0.55"),
        ("三十人", "三人，十人"),
        ("1,234", "1,235"),
        ("第5届", "第4届"),
        ("twenty-five", "twenty four five-star"[:11]),
    ],
)
def test_another_number_unit_or_date_is_missing(text, source):
    assert [one for _, one in gone(f"共{text}。", source)] == [text]


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        # What names in the source measures nothing there.
        ("保修期为3年。", "第三条 保修期为2年", "3年"),
        ("保修期为3年。", "3. 保修期为2年", "3年"),
        ("保修8年。", "搭载骁龙8处理器，保修1年", "8年"),
        ("保修8年。", "型号X8，保修1年", "8年"),
        ("保修两个月。", "二级以上医院，保修三个月", "两个月"),
        ("罚款500元。", "房间500，罚款200元", "500元"),
        ("保修3年。", "| 3 | 整机 | 1年 |\n| 4 | 屏幕 | 2年 |", "3年"),
        ("The fee is 20 dollars.", "the fee is 15 dollars, table 20", "20 dollars"),
        ("It takes 5 days.", "It takes 3 days, see page 5.", "5 days"),
        ("It is 5 km.", "4 km, 5 stops", "5 km"),
        # Thousands and fractions are one number.
        ("售价为5,999元。", "A版3,999元，保修5年", "5,999元"),
        ("The price is $5,999.", "Model 5 costs $3,999.", "$5,999"),
        ("占3/4。", "3人，4人", "3/4"),
        ("血压120/80。", "120人，80人", "120/80"),
        # 双, both and single count, and measure nothing.
        ("保修期为2年。", "经双方协商，保修期为1年", "2年"),
        ("The warranty is 1 year.", "a single user; warranty 2 years", "1 year"),
        # A short year is no time, and a time no year.
        ("保修5年。", "2005年成立，保修3年", "5年"),
        ("保修期为20年。", "2020年发布，保修期2年", "20年"),
        ("他18岁。", "2018年，他20岁", "18岁"),
        ("1970年成立。", "产权70年", "1970年"),
        ("1998年成立。", "98岁", "1998年"),
        # One, and units of their own.
        ("The warranty is one year.", "The warranty is three years.", "one year"),
        ("It is one percent of it.", "It is eight percent of it.", "one percent"),
        ("It sold one million units.", "It sold two million units.", "one million"),
        ("提前一天通知。", "提前三天通知", "一天"),
        ("提前一周通知。", "提前三周通知", "一周"),
        ("每天一次。", "每天三次", "一次"),
        ("一人一份。", "三人一份", "一人"),
        ("打八折。", "打九折", "八折"),
        ("付三倍工资。", "付双倍工资", "三倍"),
        ("四级证书。", "六级证书，第四条", "四级"),
        ("八点开门。", "九点开门", "八点"),
        # Counters count different things.
        ("一次2粒。", "一次1粒，一日2次", "2粒"),
        ("共5台。", "共3台，5人操作", "5台"),
        # A sign is part of the number.
        ("现金流为3200万元。", "现金流为-3,200万元", "3200万元"),
        ("温度为10℃。", "温度为-10℃", "10℃"),
        ("温度为零下10℃。", "温度为10℃", "10℃"),
        ("公元221年统一。", "公元前221年统一", "221年"),
        ("In 221 AD.", "In 221 BC.", "221 AD"),
    ],
)
def test_a_number_is_held_only_by_what_measures_the_same(text, source, named):
    assert named in [one for kind, one in gone(text, source) if kind in ("number", "date")]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("保修24个月。", "保修期（月）：24"),
        ("保修24个月。", "| 项目 | 期限 |\n|---|---|\n| 整机 | 24 |"),
        ("保修24个月。", '{"warranty_months": 24}'),
        ("价格为3999元。", "售价3999，含税"),
        ("3天到5天发货。", "3～5天发货"),
        ("共3种。", "共3类"),
        ("5个国家。", "五国"),
        ("它有5个站点。", "it has 5 stops"),
        ("2024年的报告。", "the 2024 report"),
        ("他98年毕业。", "1998年毕业"),
        ("1998年毕业。", "98年毕业"),
        ("一天三次。", "每日三次"),
        ("例会每周一次。", "每周三开例会"),
        ("一天，他走了，再一次回来。", "后来他走了又回来"),
        ("亏损3200万元。", "净利润为-3,200万元"),
        ("净利润同比-3.2%。", "净利润同比下降3.2%"),
        ("利润下降3.2%。", "利润同比-3.2%"),
        ("温度在-10℃到40℃之间。", "工作温度：-10~40℃"),
        ("工作温度为零下10度至40度。", "工作温度：-10~40℃"),
        ("价格100-200元。", "价格为100元至200元"),
        ("零下20度。", "-20℃"),
        ("在前221年。", "公元前二二一年"),
        ("此前2019年。", "2019年"),
    ],
)
def test_a_number_that_may_measure_anything_or_says_the_same_holds(text, source):
    assert gone(text, source) == []


@pytest.mark.parametrize(
    "forms",
    [
        ["3‰", "0.3%", "千分之三", "万分之三十", "30个基点"],
        ["1小时30分", "90分钟", "1.5小时", "一个半小时", "1 hour and 30 minutes", "5400秒"],
        ["一年零三个月", "15个月", "1年3个月"],
        ["48小时", "两天", "2 days"],
        ["1米8", "1.8米", "一米八", "180cm"],
        ["三斤二两", "3.2斤", "1.6公斤", "1600克"],
        ["3万5", "35000", "3.5万", "3.5w"],
        ["$2M", "$2 million", "200万美元"],
        ["15K个", "15,000个", "1.5万个"],
        ["5GB", "5120MB", "5120 mb"],
        ["一刻钟", "15分钟"],
        ["3m³", "3立方米", "3 m3"],
        ["9块9", "9.9元", "9.9块"],
        ["两三天", "2-3天", "2天、3天"],
        ["1000多万元", "1000万元", "一千多万元"],
        ["2×10^5", "200000", "2×10⁵", "20万"],
        ["晚上12点", "24:00", "midnight", "凌晨零点"],
        ["下午两点半", "14:30", "half past two"],
        ["2024年3月5日", "20240305", "二○二四年三月五日"],
    ],
    ids=lambda forms: forms[0],
)
def test_measures_in_other_units_and_spellings_hold_each_other(forms):
    for one in forms:
        for other in forms:
            assert gone(f"答案是{one}。", f"资料：{other}，如此。") == [], (one, other)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("客服电话为400-123-4567。", "客服热线：4001234567"),
        ("客服电话为4001234567。", "客服热线：400-123-4567"),
        ("手机138-0013-8000。", "手机13800138000"),
        ("手机13800138000。", "手机+86 138 0013 8000"),
        ("电话：(010) 6275-1234。", "010-62751234"),
        ("准确率为95%。", "准确率0.95"),
        ("准确率为0.95。", "准确率95%"),
        ("占50%。", "占一半"),
        ("增长了一倍。", "增长100%"),
        ("One third of the staff.", "1/3 of the staff"),
        ("屏幕6.7英寸。", '6.7" display'),
        ("内存16GB。", "内存 16G"),
        ("打8.5折。", "打八五折"),
        ("第二季度收入。", "Q2 revenue"),
    ],
)
def test_a_number_in_another_writing_is_held(text, source):
    assert [one for one in gone(text, source) if one[0] != "name"] == []


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("客服电话为400-123-4568。", "客服热线：400-123-4567"),
        ("客服电话为4001234568。", "客服热线：400-123-4567"),
        ("时长1小时20分。", "时长90分钟"),
        ("身高1米7。", "身高1.8米"),
        ("准确率为95%。", "准确率0.59"),
        ("第二季度收入。", "Q3 revenue, 2 units"),
        ("公司有3万5千人。", "公司有3万6千人"),
    ],
)
def test_another_number_in_another_writing_is_missing(text, source):
    assert gone(text, source) != []


def test_the_kind_of_a_missing_fact_is_said():
    answer = "2021年，北京大学的“深度学习课”收了30人，见《人工智能导论》。"
    kinds = {text: kind for kind, text in gone(answer, "清华大学的课程，2020年，收了二十人。")}
    assert kinds == {
        "2021年": "date",
        "北京": "name",
        "北京大学": "name",
        "深度学习课": "quotation",
        "30人": "number",
        "人工智能导论": "name",
    }


# ------------------------------------------------------------------------------------------------------- no facts


@pytest.mark.parametrize(
    "text",
    [
        "见[1]。另见[2][3]，[1, 2]和【4】。",
        "1. 苹果\n2. 香蕉\n10. 梨",
        "- 苹果\n* 香蕉",
        "（1）苹果（2）香蕉",
        "①苹果②香蕉",
        "一、概述\n二、方法",
        "第一，苹果；第二，香蕉；第三，梨。",
        "首先，苹果。其次，香蕉。最后，梨。",
        "**步骤1**：打开",
        "First, open it. Second, close it. Third, go.",
        "一些人统一了一下，一般一起一直一样。",
        "十分重要，千万不要万一，三三两两。",
        "由于高度重视，任何时候都要方便顾客。",
        "该公司是上市公司，也是有限责任公司，在大城市的居民区有分公司。",
        "It is one of the best, and I'm sure we don't.",
        "Unfortunately, the text says nothing. However, customers wait. Visitors came.",
        "- Battery Life: good\n- **Screen Size:** large",
        "# How To Install The Tool\nOpen it.",
        "他说，‘好’。",
        "",
    ],
)
def test_markers_enumerators_and_common_words_are_no_facts(text):
    assert seen(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "#### 2. 退货",
        "**2.",
        "**2. 退货**",
        "| 2 | 屏幕 | 可退 |",
        "要点1：屏幕。要点2：整机。",
        "问题2：多久？",
        "方案一：换货。方案二：退货。",
        "Option 2: refund it.",
        "Step two: ship it.",
        "1️⃣ 保修 2️⃣ 退货",
        "（一）保修；（二）退货。",
        "(1) 联系\n(2) 寄回",
        "第一个原因是成本，第二个原因是价格。",
        "<td>保修</td><br/>是&nbsp;的<sup>",
        "according to source 2, it is so.",
    ],
)
def test_headings_rows_labels_and_tags_are_no_facts(text):
    assert seen(text) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("第38条：可以。", "第38条"),
        ("第三十八条，可以。", "第三十八条"),
        ("获奖人数（15）较多。", "15"),
        ("Participants (12) agreed.", "12"),
        ("第（3）项可以。", "3"),
    ],
)
def test_what_looks_like_an_enumerator_and_is_none_is_a_fact(text, named):
    assert named in [one for _, one in seen(text)]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("分为两类：甲类和乙类。", "甲类、乙类"),
        ("分为金卡、银卡和普卡三种。", "金卡、银卡、普卡"),
        ("主要有以下四个方面：速度、成本、质量、服务。", "速度、成本、质量、服务"),
        ("有以下两种情况：\n- 保修\n- 退货", "保修、退货"),
        ("There are three parts:\n\n1. cost\n2. time\n3. work", "cost, time, work"),
        ("这三个城市很大。", "城市很大"),
        ("两种方式均可。", "可以退货，也可以换货"),
        ("总价为3000+500=3500元。", "价格3000元，运费500元"),
        ("一年共付3000 × 12 = 36000元。", "每月支付3000元"),
        ("相差500元（3500 - 3000）。", "A为3500元，B为3000元"),
        ("速度是$3\\times10^8$ m/s。", "光速是3×10^8 m/s"),
        ("面积为$S = 24 \\text{ m}^2$。", "面积为24平方米"),
        ("公式为$$E = mc^2$$。", "质能方程 E=mc²"),
    ],
)
def test_what_the_text_itself_counts_or_works_out_is_not_missing(text, source):
    assert gone(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        ("分为三类：甲类和乙类。", "甲类、乙类", "三类"),
        ("总价为3000+500=3600元。", "价格3000元，运费500元", "3600元"),
        ("总价为3000+700=3700元。", "价格3000元，运费500元", "3700元"),
        ("共5种产品。", "很多产品", "5种"),
    ],
)
def test_a_wrong_count_or_sum_is_missing(text, source, named):
    assert ("number", named) in gone(text, source)


def test_the_items_of_a_list_may_come_after_the_sentence():
    assert missing("有三种情况：", ["保修"], following="\n- 甲\n- 乙\n- 丙") == []
    assert missing("有三种情况：", ["保修"], following="\n- 甲\n- 乙") != []


def test_characters_without_a_width_are_read_over():
    assert gone("保修24个月，联系Alexander。", "保修2\u200b4个月，Alex\u00adander") == []
    assert gone("保修3\u200b6个月。", "保修24个月") == [("number", "3\u200b6个月")]


def test_a_question_lends_its_names_but_not_its_numbers_and_has_no_language():
    assert [fact.text for fact in missing("张伟教授保修36个月。", ["保修24个月"], ["张伟教授保修36个月吗？"])] == [
        "36个月"
    ]
    english = "The company is in a city of this country."
    assert missing("公司位于上海，法人在北京。", [english], ["这家位于北京的公司在哪里，是谁的，有多大？"]) == []


def test_a_number_at_the_head_of_a_line_is_a_fact_where_it_counts_no_item():
    assert seen("24.") == [("number", "24")]
    assert seen("3个月\n1.5 km\n24 小时") == [("number", "3个月"), ("number", "1.5 km"), ("number", "24 小时")]


# ----------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("使用PPR－9087管", "PPR 9087"),
        ("根据GB/T 1234执行", "ＧＢ／Ｔ1234"),
        ("位于广东省", "廣東省"),
        ("在北京市工作", "北京"),
        ("参考《資治通鑑》", "资治通鉴"),
        ("依《中华人民共和国劳动法》", "劳动法规定"),
        ("we met José there", "Jose said"),
        ("it is Acme's plan", "made by acme"),
        ("it is by the WTO", "World Trade Organization"),
        ("in the U.S. market", "US sales"),
        ("the Chinese market", "in China"),
        ("罗伯·马歇尔执导", "導演羅伯‧馬歇爾"),
        ("由王小明执导", "导演王小明"),
        ("中美关系：美国", "中美"),
        ("see https://x.org/a?b=1.", "(https://x.org/a?b=1)"),
        ("it is in README.md and v1.2.3", "readme.md, V1.2.3"),
        ("用 Python 写", "python"),
        ("Ada Lovelace wrote it", "Lovelace, Ada"),
        ("we saw Dr. Smith and St. Moritz", "Smith in St. Moritz"),
    ],
)
def test_a_name_is_found_in_another_writing(text, source):
    assert seen(text) != []
    assert gone(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        ("型号PPR-9088。", "PPR-9087 9088", "PPR-9088"),
        ("写信给a@b.com。", "c@b.com", "a@b.com"),
        ("见https://x.org/a。", "https://x.org/b", "https://x.org/a"),
        ("用v1.2.4版", "v1.2.3 4", "v1.2.4"),
        ("见setup.py", "setup.cfg py", "setup.py"),
        ("在四川省", "在广东省", "四川"),
        ("他在清华大学任教", "北京大学教授", "清华大学"),
        ("张伟教授", "刘洋教授", "张伟"),
        ("由李大为执导", "由王小明执导", "李大为"),
        ("彼得·杰克逊导演", "罗伯·马歇尔导演", "彼得·杰克逊"),
        ("we met Alice Smith there", "we met Alice Brown there", "Alice Smith"),
        ("it was bought by OpenAI", "it was bought by Google", "OpenAI"),
        ("使用TensorFlow训练", "使用PyTorch训练", "TensorFlow"),
        ("读《史记》", "读了汉书与后汉书", "史记"),
    ],
)
def test_a_name_that_no_source_has_is_missing(text, source, named):
    names = [one for kind, one in gone(text, source) if kind == "name"]
    assert named in names


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        ("总经理为陈明。", "总经理为陈亮", "陈明"),
        ("董事长是李建国。", "董事长是王建国", "李建国"),
        ("公司创始人是马云。", "公司创始人是任正非", "马云"),
        ("作者是余华。", "作者是莫言", "余华"),
        ("联系人：李强", "联系人：张伟", "李强"),
        ("请联系陈明先生。", "请联系陈亮先生", "陈明"),
        ("由陈明负责。", "由陈亮负责", "陈明"),
        ("由华为公司研发。", "由小米公司研发", "华为"),
        ("适用于山西。", "晋升规定适用于山东", "山西"),
        ("位于河南。", "不要犹豫，位于河北", "河南"),
        ("位于成都。", "芙蓉酒店位于重庆", "成都"),
        ("位于广西。", "桂花酒店位于广东", "广西"),
        ("位于山东。", "鲁迅故居位于浙江", "山东"),
        ("在英国授课。", "英语课程，在美国授课", "英国"),
        ("产自法国。", "法式面包，产自德国；文中法律，用加法", "法国"),
        ("在北京大学读书。", "在东北大学读书", "北京大学"),
    ],
)
def test_a_chinese_person_or_place_is_not_held_by_a_character_of_another_word(text, source, named):
    assert ("name", named) in gone(text, source)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("在北京大学读书。", "在北大读书"),
        ("在美国和英国。", "赴美留学，英军"),
        ("中国与法国。", "中国与中法关系"),
        ("在河南和广东。", "豫南、粤A12345"),
        ("总经理是李总。", "李总"),
        ("由石头、木头制成。", "石材与木材"),
        ("由牛肉、土豆制成。", "牛排"),
        ("由高温、高压产生。", "热"),
        ("由房东、租客承担。", "双方"),
        ("由安全主管负责。", "安全人员"),
        ("负责人是项目经理。", "经理负责"),
        ("和于陈明先生见面。", "陈明先生"),
    ],
)
def test_a_chinese_name_in_another_form_is_held_and_a_plain_word_is_none(text, source):
    assert gone(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        ("it is by Logitech", "The login device is made by Razer.", "Logitech"),
        ("it is in Munich", "A municipal service runs in Berlin.", "Munich"),
        ("he is in Michigan", "Michael lives in Ohio.", "Michigan"),
        ("it is by Panasonic", "It was made in Panama by Sony.", "Panasonic"),
        ("he met Jonathan", "Jonas met Peter.", "Jonathan"),
        ("he is in Milan", "They moved milage records to Rome.", "Milan"),
        ("a French firm", "a firm in Germany", "French"),
        ("用v1.2.4版", "1.2.3版", "v1.2.4"),
        ("见https://x.org/a", "www.y.org/a", "https://x.org/a"),
    ],
)
def test_a_name_is_not_held_by_another_that_begins_like_it(text, source, named):
    assert ("name", named) in gone(text, source)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("a French painter", "a painter from France"),
        ("from France it came", "the French painter"),
        ("a Dutch painter", "a painter from the Netherlands"),
        ("a Swiss bank", "a bank in Switzerland"),
        ("in the United Kingdom", "the UK acted"),
        ("in the UK", "the United Kingdom acted"),
        ("in New York City", "NYC is large"),
        ("a Californian firm", "a firm in California"),
        ("it is by Blue Sky Analytics", "BlueSky Analytics"),
        ("it is by BlueSky", "Blue Sky"),
        ("支持WiFi 6", "Wi-Fi 6"),
        ("支持Wi-Fi", "WiFi"),
        ("支持iPhone15", "iPhone 15"),
        ("版本v1.2.3", "version 1.2.3"),
        ("网址为https://www.example.com/help", "example.com/help"),
        ("Open 9am-6pm", "9:00-18:00"),
        ("FY2024的收入", "2024财年"),
        ("2024年Q1", "2024年第一季度"),
        ("在2024-03-05T14:30:00Z", "2024-03-05 14:30:00"),
        ("12+512GB版", "12GB+512GB"),
        ("50MP主摄", "5000万像素"),
    ],
)
def test_a_name_or_code_in_another_form_is_held(text, source):
    assert gone(text, source) == []


def test_a_name_may_have_its_parts_in_title_and_passage():
    assert gone("it is the Acme Kettle", "Acme", "The kettle is red.") == []


def test_names_are_not_looked_for_in_another_language():
    assert gone("北京大学位于北京市。", "Peking University is in Beijing, the capital of the country.") == []
    assert gone("it is in Beijing near Tsinghua", "清华大学在北京市，离这里不远，很有名气。") == []
    assert gone("it was 3 years in Beijing", "清华大学在北京市，共五年，离这里不远。") == [("number", "3 years")]


def test_a_capital_at_the_start_of_a_sentence_is_a_name_only_where_the_word_is_rare():
    assert seen("Batteries last. Einstein came. Water is wet.") == [("name", "Einstein")]


# ------------------------------------------------------------------------------------------------------- quotations


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("他说“保修 期，三年”。", "保修期三年"),
        ("「兩年保修」", "提供两年保修"),
        ('he said "The quick fox" again', "the  quick, fox"),
        ("he said “the quick … lazy dog”", "the quick brown fox and the lazy dog"),
        ("条款写明“自购买之日[1]起……计算”", "自购买之日起两年内计算"),
        ("set `--fail-under` now", "--fail-under 0.8"),
        ("it's Tom's and the dogs' house, ‘very old’ it is", "tom, very old"),
    ],
)
def test_a_quotation_is_found_without_its_punctuation(text, source):
    assert any(kind == "quotation" for kind, _ in seen(text))
    assert gone(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        ("他说“保修三年”。", "保修两年，后三年不保修", "保修三年"),
        ("he said “lazy dog … quick fox”", "the quick fox and the lazy dog", "lazy dog … quick fox"),
        ("set `--fail-over` now", "--fail-under", "--fail-over"),
        ("「好评」", "差评", "好评"),
        ('他说"非常满意"了', "他说不满意", "非常满意"),
    ],
)
def test_a_quotation_that_no_source_has_is_missing(text, source, named):
    assert ("quotation", named) in gone(text, source)


def test_a_quotation_is_not_put_together_from_two_sources():
    assert gone("“保修三年”", "整机保修", "三年之后") == [("quotation", "保修三年")]


def test_nothing_is_missing_where_there_is_nothing_to_check_and_all_where_there_is_no_source():
    assert missing("没有。", []) == []
    assert gone("共5人，在北京。") == [("number", "5人"), ("name", "北京")]
    assert gone("it is in Paris") == [("name", "Paris")]
    assert gone("共5人", "", "五人") == []


# ------------------------------------------------------------------------------------------------------- real texts


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_bytes().split(b"\n") if line]


@pytest.fixture(scope="module")
def chinese() -> list[tuple[str, str]]:
    return [(row["title"], row["text"]) for row in rows("cmrc_sample/corpus.jsonl")]


@pytest.fixture(scope="module")
def english() -> list[tuple[str, str]]:
    return [(row["title"], row["text"]) for row in rows("english_qa.jsonl") if "text" in row]


@pytest.mark.parametrize("language", ["chinese", "english"])
def test_nothing_of_a_real_sentence_is_missing_in_its_own_passage_and_most_in_another(language, request):
    passages = request.getfixturevalue(language)
    count = far = 0
    for number, (title, text) in enumerate(passages):
        other = passages[(number + len(passages) // 2) % len(passages)]
        for start, end in sentence_spans(text):
            sentence = text[start:end]
            assert gone(sentence, title, text) == []
            count += len(seen(sentence))
            far += len(gone(sentence, *other))
    assert count > 300
    assert far / count > 0.85


def test_a_changed_year_of_a_real_sentence_is_named(chinese):
    found = changed = 0
    for _, text in chinese:
        for start, end in sentence_spans(text):
            match = re.search(r"(?<!\d)(1[89]|20)(\d\d)(?=年)", text[start:end])
            if match is None:
                continue
            new = str(int(match.group()) - 37)
            if new not in text:
                sentence = text[start : start + match.start()] + new + text[start + match.end() : end]
                changed += 1
                found += any(new in one for _, one in gone(sentence, text))
    assert changed > 200
    assert found / changed > 0.98


def test_real_questions_hold_little_that_their_passage_does_not(chinese):
    corpus = {row["_id"]: row for row in rows("cmrc_sample/corpus.jsonl")}
    pairs = [
        line.split("\t")[:2] for line in (DATA / "cmrc_sample/qrels.tsv").read_text("utf-8").split("\n")[1:] if line
    ]
    questions = {row["_id"]: row["text"] for row in rows("cmrc_sample/queries.jsonl")}
    held = [
        (
            len(facts(questions[question])),
            len(missing(questions[question], [corpus[id_]["title"], corpus[id_]["text"]])),
        )
        for question, id_ in pairs
    ]
    assert sum(all_ for all_, _ in held) > 200
    assert sum(gone_ for _, gone_ in held) / sum(all_ for all_, _ in held) < 0.02


# --------------------------------------------------------------------------------------------------------- any text

_PIECES = st.sampled_from(
    re.split(
        " ",
        "1 12 1,234 1. [1] （1） 一 十 百 万 亿 两 半 廿 点 分之 百分之 第 年 月 日 号 个 元 % ％ ½ ² ① $ ¥ 2020 - / : "
        'am 下午 三点 twenty five hundred and May 5 of March th 公司 大学 市 省 路 北京 《 》 “ ” 「 」 " ‘ ’ ` … ... '
        "· 张伟 先生 由 A Ab AB a1 A-1 St. Mr. @ . http://a www. \ud800 \0 e\u0301 İ ß ٣ 𝟙 x ， 。 ； 壹佰",
    )
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(_PIECES, st.text(max_size=4)), max_size=30),
    st.lists(st.text(max_size=30), max_size=3),
    st.sampled_from(["", " "]),
)
def test_any_text_is_read_and_offsets_are_true(pieces, sources, between):
    text = between.join(pieces)
    found = facts(text)
    check(text, found)
    assert found == sorted(found, key=lambda fact: fact.start)
    lost = missing(text, [*sources, text[::-1]])
    check(text, lost)
    assert all(fact in found for fact in lost)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "1 ",
            "1,",
            "一",
            "十个",
            "A1 ",
            "Ab ",
            "a.",
            "a@",
            "“",
            "《",
            "·阿",
            "公司",
            "½",
            "twenty-",
            "[1",
            "- ",
            "2020-",
        ),
        *("2个：\n", "(1)", "3+", "-5元", "由陈明", "中美", "\\text{a}", "| 1 |\n", "123-4567 ", "1小时30分"),
    ],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(piece):
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        began = time.process_time()
        missing(text, [text, "x" * length])
        return time.process_time() - began

    seconds(100)
    assert seconds(20_000) < 3 + 40 * seconds(2_000)


def test_a_long_answer_is_checked_quickly(chinese):
    text = "\n".join(text for _, text in chinese)
    answer, rest = text[:20_000], (text[20_000:] * 3)[:100_000]
    sources = [rest[at : at + 5_000] for at in range(0, 100_000, 5_000)]
    began = time.process_time()
    assert missing(answer, sources)
    assert time.process_time() - began < 1.5  # about 0.08 on a machine that does nothing else


def test_it_is_light_to_import():
    code = (
        "import sys; import ragcli.answering.facts as f; "
        "assert not {'numpy', 'torch', 'lancedb', 'opencc', 'pyarrow'} & set(sys.modules), 1; "
        "assert f.missing('24 months', ['24 months']) == []"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
