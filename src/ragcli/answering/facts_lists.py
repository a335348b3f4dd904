"""Short lists that the search for names needs: common English words, places, surnames, what is no name."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that begin an English sentence, or stand in capitals for weight, and are no names. Stop words are not repeated.
COMMON_WORDS = _words(
    """however furthermore additionally accordingly afterwards anyway conversely else hereby herein instead overall
    access account act action add addition address advice age air allow although amount analysis animal annual
    another answer anyone anything appear application apply approach approximately area argue argument art ask
    assume attention author available average avoid back bad bar base basic battery because become behind benefit
    best better big bird black blue board body book box break bring build building business buy cable care case
    cause center central centre certain chance change charge chart check child children choice choose city class
    clean clear click close code cold color colour come common community company compare complete computer condition
    consequently consider contact contain content context contract control cost country course court cover create
    currently customer cut damage data date day deal dear deep default delivery demand depend design despite detail
    determine develop device difference different difficult direct discuss document dog door double drive drop due
    early earth east easy economic education effect effort eight electric element email employee empty end energy
    engine enough ensure enter entire error especially event everyone everything evidence example except exercise
    exist expect experience explain eye face fact factor fail family famous far farm fast feature fee female field
    fifth fifty figure file fill final find fine fire first fish five flight floor flow fly focus follow food force
    foreign form former forward four fourth free frequent fresh front full function fund future game gas gather
    general generate girl glass go goal gold good government great green ground group grow growth guarantee guide
    guest half hand happen hard head health hear heat heavy help hence hello high historical history hold home hope
    hot hotel hour house human hundred idea image impact importance important improve include increase indeed index
    industry information initial input inside install instruction insurance interest international internet
    introduce invoice island issue item job join keep key kind king know knowledge label lack lake land language
    large last late later latest law lead learn least leave left legal length less letter level library life light
    like likewise limit line link list little live local long look lose loss low machine main major make male man
    manage manager many map mark market material matter maximum may maybe mean meanwhile measure medical meet member
    memory men menu message metal method middle million mind minimum minor minute miss mode model modern moment
    money month moreover morning mother motion mountain move movie much music natural nature near necessary need
    network never nevertheless new news next night nine nobody none nonetheless normal north note nothing notice now
    number object obtain occur office officer often oil ok okay old online open opinion option orange order
    organization origin original others otherwise output page paper parent park part particular party pass password
    past patient pay people perhaps period person phone photo picture piece place plan plant play player please plus
    point policy poor popular population position positive possible power practice prepare present president press
    prevent previous price primary principle print private problem process product production program project
    property protect provide public purchase purpose put quality question quick quite radio rain range rate rather
    raw reach read ready real reason receipt receive recent record red reduce refer refund regardless region
    register regular related release remember remove repair repeat reply report request require research resource
    respond rest result return review right rise risk river road role room rule run safe sale sample save scale
    school science scientist score screen sea search season seat second section security see seed seek select sell
    send sense sentence separate series serious serve service session set setting seven several sex shape share ship
    shop short show side sign signal similar simple simply single site situation six size skill sleep slow small
    social society soft software soil solution someone something sometimes son song soon sort sound source south
    space speak special species specific speed spend sport spring staff stage stand standard star start state
    statement station status stay step still stock stop store storm story street strong structure student study
    style subject success sudden suggest summary summer summit sun supply support sure surface system table take
    talk task tax teach teacher team technology television ten term test text thank thanks therefore thing think
    third thirty thousand three throughout thus ticket time title today together tomorrow tool top total touch town
    trade traditional train training travel treat tree trial trip true try turn twelve twenty two type typical unit
    university unless unlike update upper use user usual valid value various vehicle version via video view village
    visit voice wait walk wall want war warm warning warranty watch water way weak weather web website week weight
    welcome west whatever whenever whereas wherever whether white whole whoever wide wild win wind window winter
    wish woman women wood word work worker world worth write writer wrong year yellow yes yesterday yet young zero
    adult according historians researchers experts critics scholars scientists officials fans residents doctors
    analysts duck goose cat horse milk bread rice tea coffee egg meat fruit along almost besides even apart opposite
    larger smaller higher lower earlier sooner aside ahead across amid among around beyond outside onto underneath
    upon versus yours ours herself himself themselves whose plenty sugar salt"""
)

# Capitalised in every sentence: months and days are read as dates or said in many ways.
LONE = _words(
    """p.m a.m e.g i.e rmb usd cny eur gbp jpy hkd twd january february march april may june july august september
    october november december jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday
    friday saturday sunday i ok id am pm ad bc bce ce tv faq ps nb ii iii iv vi vii viii ix qa
    source sources document documents context passage passages excerpt summary overview"""
)

# What stands before or after a name and may be said otherwise in the source.
TITLES = _words(
    """chapter section article figure table appendix part volume page step version phase level grade mr mrs ms miss dr
    prof professor sir lord lady president chairman director minister king queen prince princess judge senator mayor
    captain general colonel company corporation corp inc ltd llc co plc gmbh group university college institute
    department ministry city state county province river mount mountain lake island street road avenue the north
    south east west northern southern eastern western"""
)

_PLACES = """北京 京,上海 沪,天津 津,重庆,河北 冀,山西 晋,内蒙古 内蒙 蒙,辽宁 辽,吉林 吉,黑龙江 黑,江苏 苏,浙江 浙,
安徽 皖,福建 闽,江西 赣,山东 鲁,河南 豫,湖北 鄂,湖南 湘,广东 粤,广西 桂,海南 琼,四川 川,贵州 贵 黔,云南 滇,
西藏 藏,陕西 陕,甘肃 甘,青海,宁夏 宁,新疆,台湾 台,香港 港,澳门 澳,广州 穗,深圳 深,珠海,佛山,东莞,惠州,汕头,湛江,
南京 宁,苏州 苏,无锡,常州,扬州,徐州,镇江,杭州 杭,宁波 甬,温州,绍兴,嘉兴,合肥,芜湖,福州,厦门 厦,泉州,漳州,南昌,
九江,济南,青岛,烟台,潍坊,郑州 郑,洛阳,武汉 武昌 汉,宜昌,长沙,株洲,湘潭,岳阳,南宁,桂林,柳州,成都 蓉 成渝,绵阳,
贵阳,遵义,昆明 昆,拉萨,西安,咸阳,兰州,西宁,银川,乌鲁木齐,沈阳 沈,大连,鞍山,哈尔滨 哈,齐齐哈尔,石家庄,唐山,保定,
太原,呼和浩特,包头,台北,高雄,台中,台南,九龙,旺角,美国 美,英国 英 大不列颠 联合王国,法国 法,德国 德,意大利 意,
西班牙 西,葡萄牙 葡,荷兰 荷,比利时 比,瑞士 瑞,瑞典 瑞,挪威 挪,丹麦 丹,芬兰 芬,波兰 波,奥地利 奥,匈牙利 匈,
捷克 捷,希腊 希,土耳其 土,俄罗斯 俄,苏联 苏,乌克兰 乌,日本 日,韩国 韩 南韩,朝鲜 朝 北韩,越南 越,泰国 泰,缅甸 缅,
老挝,柬埔寨 柬,马来西亚 马,新加坡 新 星洲,印度尼西亚 印尼,印尼 印度尼西亚,菲律宾 菲,印度 印,巴基斯坦 巴,
孟加拉 孟,斯里兰卡,尼泊尔,阿富汗 阿,伊朗 伊,伊拉克 伊,以色列 以,沙特阿拉伯 沙特 沙,埃及 埃,南非,尼日利亚,肯尼亚,
埃塞俄比亚,摩洛哥 摩,阿尔及利亚,加拿大 加,墨西哥 墨,巴西 巴,阿根廷 阿,智利 智,秘鲁 秘,哥伦比亚 哥,委内瑞拉,
古巴 古,澳大利亚 澳,新西兰 新 纽西兰,爱尔兰 爱,冰岛,罗马尼亚 罗,保加利亚 保,塞尔维亚 塞,克罗地亚 克,纽约,华盛顿,
洛杉矶,旧金山 三藩市,芝加哥,波士顿,休斯敦,费城,西雅图,多伦多,温哥华,伦敦,曼彻斯特 曼城 曼联,利物浦,巴黎,里昂,
柏林,慕尼黑,汉堡,法兰克福,罗马,米兰,威尼斯,佛罗伦萨,马德里,巴塞罗那 巴塞,里斯本,阿姆斯特丹,布鲁塞尔,日内瓦,
苏黎世,维也纳,布拉格,布达佩斯,华沙,莫斯科,圣彼得堡 列宁格勒,东京,大阪,京都,名古屋,横滨,首尔 汉城,釜山,曼谷,河内,
吉隆坡,雅加达,马尼拉,新德里,孟买,悉尼,墨尔本,开罗,耶路撒冷"""
# A place and what else says it; one character stands for it in 中美, 赴美, 沪宁.
PLACES: dict[str, tuple[str, ...]] = {
    one.split()[0]: tuple(one.split()) for one in _PLACES.replace("\n", "").split(",") if one
}

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟"
    "汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严"
    "牛温芦季俞章鲁葛伍韦申尤毕聂焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍"
    "位覃霍翁甘"
)

# Two characters that begin with a surname and are words.
NO_NAMES = _words(
    """方面 方法 方案 方式 方向 高度 高级 高层 高中 高校 高等 高管 高速 高达 安全 安排 安装 马上 马来 金属 金融 金额
    金牌 石油 石灰 江西 江苏 江南 白色 白人 黄色 黄金 黄河 万一 万人 张开 周围 周年 周末 周期 任何 任命 任职 任教
    任务 任期 于是 常常 常见 常务 常任 田径 田野 温度 温州 温泉 夏天 夏季 毛利 路线 路透 路易 陆军 陆续 陆地 陆上
    武术 武器 武汉 武装 龙头 胡同 林业 林木 程序 程度 曾任 曾经 曾在 曾是 曾为 曾获 史上 史学 申请 申报 关于 关系
    关注 关键 项目 齐全 严重 严格 严肃 严厉 柳州 宁波 管理 管道 左右 左翼 洪水 童年 童话 顾客 顾问 纪录 纪念 纪律
    牛奶 牛津 章节 季节 季后 季度 易于 成为 成立 成功 成员 成年 成人 成本 成绩 成果 成长 成熟 向来 向上 向下 向前
    查询 查看 查理 文化 文学 文件 文章 文字 文艺 文明 康复 康熙 兰州 兰花 费用 费城 阳光 阳台 阳性 欧洲 欧盟 欧美
    曲目 曲线 席位 卫生 卫星 卫视 游戏 游客 游行 位于 位置 施工 施行 施政 盛大 盛行 梅花 庄园 庄严 辛亥 祝贺 谷物
    段落 雷达 雷电 钱币 汤姆 许多 许可 何时 何处 何人 何种 何况 余下 余额 叶子 沈阳 苏联 苏州 苏格 苏丹 唐代 唐朝
    宋代 宋朝 秦朝 秦代 魏国 韩国 韩语 吴国 赵国 郑州 陈述 陈列 谢谢 罗马 罗伯 梁柱 夏威 孔子 孟子 庞大 殷商 安徽
    鲁迅 贾宝 乔治 马克 杨树 李子 董事 程式 傅立 戴上 范围 范畴 金钱 陶瓷 颜色 倪匡 焦点 焦虑 毕业 毕竟 尤其 岳父
    莫斯 关节 关闭 万物 万元 江湖 江河 白银 高兴 高潮 高峰 孙子 孙女 钟声 钟表 徐州 何以 朱红 甘肃 霍乱"""
)

# The characters that foreign names are written with.
FOREIGN = frozenset(
    "阿埃艾爱安昂奥巴白班邦包保鲍贝本比彼毕得宾波伯博勃布查茨达戴丹道德登邓狄迪蒂蒂丁东杜顿多厄恩尔法范菲费芬丰冯夫弗福"
    "富盖甘冈高戈哥格葛根古瓜圭哈海汉豪赫黑亨洪侯胡华怀惠霍基吉加佳贾简杰金津卡凯坎康考柯科可克肯孔库奎昆拉莱赖兰朗劳"
    "勒雷黎里李理丽利莉莲廉良列琳林刘留龙卢鲁路吕伦罗洛马玛迈麦曼芒茅梅门蒙孟米密敏明缪摩莫墨默姆木穆拿娜纳乃奈南瑙内"
    "尼涅宁纽努诺欧帕派潘庞培佩彭皮平普齐奇钱强乔切琴丘茹若撒萨塞赛森沙莎山珊尚绍舍申圣施什史士舒斯思丝松苏索塔泰坦汤"
    "唐陶特滕提汀廷图土托瓦娃万旺威韦维魏温文翁沃乌吾武伍西希锡席夏显香肖谢辛欣休雪逊雅亚延扬耶叶伊依易因英尤于约扎詹"
    "珍芝茱祖佐兹泽曾赞朱卓宗克娅妮妲黛蕾薇茜罕翰姬琪琳赖蕾佛齐察策岑蔡曹柴徐瑟瑞青昌常陈楚川春茨崔蓓碧宝滨冰"
)

ORGANISATIONS = _words(
    "公司 集团 大学 学院 医院 银行 法院 研究所 研究院 委员会 出版社 基金会 协会 俱乐部 博物馆 图书馆 电视台 中学 小学"
)

# What stands before 公司, 大学, 医院 … and says what kind it is, not which.
GENERIC = _words(
    """有限 责任 股份 控股 科技 技术 实业 贸易 集团 发展 工业 保险 航空 软件 互联网 网络 电影 唱片 石油 建筑 运输 出版
    铁路 游戏 电子 电力 制作 发行 经纪 上市 跨国 外国 国有 民营 母 子 分 总 中央 商业 人民 中级 高级 最高 地方 综合
    专科 中医 口腔 社区 公立 私立 国立 市立 州立 省立 当地 附属 附近 本地 足球 篮球 体育 棒球 执行 管理 专门 常务
    立法 审查 仲裁 评审 筹备 监察 董事 国家 国际 全国 世界 联邦 投资 储蓄 合作 医科 师范 理工 科学 农业 工程 艺术
    音乐 传媒 文化 文学 法律 医学 教育 研究 大型 小型 知名 著名 名牌 重点 民办 职业 外资 合资 独资 生产 销售 物流
    供应 服务 咨询 广告 通信 通讯 电信 能源 化工 制药 医药 汽车 钢铁 食品 家电 建设 开发 房地产 地产 物业 旅游 金融
    证券 信托 制造 商务 外贸 进出口 儿童 妇女 女子 男子 第一 高等 初级 初等 普通 完全 实验 民间 行业 读 上 念 考
    海外 主要 唯一 新 旧 老 大 小 该 同 家 所 间 座 一 两 三 多 全资 关联 事务 组织 私人 职工 半官方 官方 中心 妇产
    综合性 兽医"""
)

# With what follows, the suffix of a place is another word: 区别, 市场, 路线.
WORD_AFTER = {
    "区": "别分域隔间块",
    "市": "场值令面民",
    "省": "略去得力",
    "路": "线程径过由途",
    "镇": "压静痛",
    "村": "落",
}

# With what stands before it, the suffix is a kind of place: 地区, 城市, 铁路.
NO_PLACE = {
    "省": "设置建代改升撤跨们节全外两邻内反行俭",
    "市": "设置建代改升撤跨们城都超股上门夜集县省全开收闹楼级辖熊牛花菜鱼车房黑旧新大小行利汇街",
    "县": "设置建代改升撤跨们全邻郡府辖市",
    "区": (
        "设置建代改升撤跨们堂候民业政治发护景山地郊城市特专辖选教战军宅游假范学校园社时禁盲误疫灾牧林矿港库闹雷"
        "海洋南北东西心老新小大片厂部湾住洲员工险划寒热潮湿行统制流台坡息育围分"
    ),
    "州": "设置建代改升撤跨们知神全欧亚美非属联",
    "镇": "设置建代改升撤跨们全本城乡小古新老重集坐冰市村级",
    "村": "农乡小山渔新老古全城市级庄然",
    "路": (
        "道铁公马水陆走出思网线电油高速半上下大小老旧新沿街绸通链短航开弯带铺修后退让管环回领套当理财活生岔歧主支干断"
    ),
    "街": "大小老旧新沿临步行逛上商业条",
}

# Endings of file names, as regular expressions.
EXTENSIONS = [
    "pdf",
    "docx?",
    "xlsx?",
    "pptx?",
    "txt",
    "md",
    "csv",
    "tsv",
    "jsonl?",
    "ya?ml",
    "toml",
    "xml",
    "html?",
    "py",
    "js",
    "ts",
    "java",
    "cpp",
    "go",
    "rs",
    "sh",
    "bat",
    "exe",
    "dll",
    "zip",
    "tar",
    "gz",
    "png",
    "jpe?g",
    "gif",
    "svg",
    "mp[34]",
    "wav",
    "log",
    "ini",
    "cfg",
    "conf",
    "sql",
    "db",
    "ipynb",
    "tex",
    "epub",
    "gguf",
    "safetensors",
    "bin",
]
